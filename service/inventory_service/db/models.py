"""The tables, as SQLAlchemy models, with the rules that the database itself enforces."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

#: SQLite gives a row id without being told only to a plain INTEGER.
_Id = BigInteger().with_variant(Integer, "sqlite")

#: The largest id a row can have; a larger one in a request is unknown, not an error of the database.
MAX_ID: Final = 2**63 - 1

#: The unit that prices are stored in: a ten-thousandth.
PRICE_SCALE = 10_000


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC on both databases; SQLite keeps none of the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return what the database stores."""
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return an aware time."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class Price(TypeDecorator[Decimal]):
    """A price as a whole number of ten-thousandths: exact in both databases (SQLite has no decimals)."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Return what the database stores."""
        return None if value is None else int((value * PRICE_SCALE).to_integral_value())

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        """Return the price in whole units."""
        return None if value is None else Decimal(value) / PRICE_SCALE


class Base(DeclarativeBase):
    """The base of the models."""


class Product(Base):
    """A product with its stock on hand; an archived one is gone for the API and keeps its history."""

    __tablename__ = "products"
    __table_args__ = (
        CheckConstraint("stock_level >= 0", name="ck_products_stock_level"),
        CheckConstraint("min_stock_threshold >= 0", name="ck_products_min_stock_threshold"),
        CheckConstraint("price >= 0", name="ck_products_price"),
        Index(
            "uq_products_active_sku",
            "sku",
            unique=True,
            sqlite_where=text("archived_at IS NULL"),
            postgresql_where=text("archived_at IS NULL"),
        ),
        Index("ix_products_name", "name", "id"),
        Index("ix_products_updated_at", "updated_at", "id"),
        Index(
            "ix_products_low_stock",
            "stock_level",
            "id",
            sqlite_where=text("archived_at IS NULL AND stock_level <= min_stock_threshold"),
            postgresql_where=text("archived_at IS NULL AND stock_level <= min_stock_threshold"),
        ),
    )

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    sku: Mapped[str] = mapped_column(String(20))
    description: Mapped[str] = mapped_column(String(1000))
    stock_level: Mapped[int] = mapped_column(Integer)
    min_stock_threshold: Mapped[int] = mapped_column(Integer)
    price: Mapped[Decimal] = mapped_column(Price)
    #: Grows with every change of the row; the strong ETag.
    version: Mapped[int] = mapped_column(Integer, default=1)
    #: The counters of the metrics live in the row they count, so that every replica reads the same numbers.
    low_stock_alerts: Mapped[int] = mapped_column(Integer, default=0)
    out_of_stock_alerts: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    restock_operations: Mapped[int] = mapped_column(Integer, default=0)
    update_operations: Mapped[int] = mapped_column(Integer, default=0)
    #: Since when the stock has been low; None once it rose above the threshold and the hysteresis.
    low_stock_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    archived_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def is_low_stock(self) -> bool:
        """Tell whether the stock is at or below the threshold."""
        return self.stock_level <= self.min_stock_threshold


class StockMovement(Base):
    """One line of the ledger: append-only, kept so by triggers in the database."""

    __tablename__ = "stock_movements"
    __table_args__ = (
        Index("ix_stock_movements_product_id", "product_id", "id"),
        Index("ix_stock_movements_kind_at", "kind", "at"),
        Index("uq_stock_movements_reverses", "reverses", unique=True),
    )

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    #: One of `inventory.ledger.KINDS`; without a check, for later versions add kinds beside running old ones.
    kind: Mapped[str] = mapped_column(String(20))
    delta: Mapped[int] = mapped_column(Integer)
    balance_after: Mapped[int] = mapped_column(Integer)
    reason: Mapped[str] = mapped_column(String(500))
    reference: Mapped[str | None] = mapped_column(String(255))
    actor: Mapped[str | None] = mapped_column(String(255))
    request_id: Mapped[str | None] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: The movement that this one compensates; unique, so that nothing is undone twice.
    reverses: Mapped[int | None] = mapped_column(ForeignKey("stock_movements.id"))
    #: Whether this movement fired the product's low-stock and out-of-stock alert.
    low_stock_alert: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    out_of_stock_alert: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())

    product: Mapped[Product] = relationship(lazy="raise")


class Reservation(Base):
    """Stock set aside for somebody; it ends by being committed or released, or by its expiry."""

    __tablename__ = "reservations"
    __table_args__ = (Index("ix_reservations_state_expires_at", "state", "expires_at"),)

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    #: "open", "committed" or "released"; an open one past its expiry is expired, without a write.
    state: Mapped[str] = mapped_column(String(20))
    reference: Mapped[str | None] = mapped_column(String(255))
    actor: Mapped[str | None] = mapped_column(String(255))
    request_id: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    lines: Mapped[list[ReservationLine]] = relationship(
        lazy="raise", order_by="ReservationLine.product_id", back_populates="reservation"
    )


class ReservationLine(Base):
    """How much of one product a reservation holds."""

    __tablename__ = "reservation_lines"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="ck_reservation_lines_quantity"),
        Index("ix_reservation_lines_product_id", "product_id"),
    )

    reservation_id: Mapped[int] = mapped_column(ForeignKey("reservations.id"), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), primary_key=True)
    quantity: Mapped[int] = mapped_column(Integer)

    reservation: Mapped[Reservation] = relationship(lazy="raise", back_populates="lines")


class IdempotencyKey(Base):
    """The answer that a changing request got, kept under the key that its client chose."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_expires_at", "expires_at"),)

    #: Whose key it is: "" where no tokens are used.
    actor: Mapped[str] = mapped_column(String(255), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    #: SHA-256 of what was asked, as hexadecimal digits.
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[int] = mapped_column(Integer)
    content_type: Mapped[str] = mapped_column(String(100))
    etag: Mapped[str | None] = mapped_column(String(64))
    body: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ApiToken(Base):
    """A token that a client authenticates with; of the token itself only its digest is kept."""

    __tablename__ = "api_tokens"
    __table_args__ = (
        Index(
            "uq_api_tokens_active_name",
            "name",
            unique=True,
            sqlite_where=text("revoked_at IS NULL"),
            postgresql_where=text("revoked_at IS NULL"),
        ),
        Index("uq_api_tokens_digest", "digest", unique=True),
    )

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    #: The first characters of the token: enough to recognise it, not to use it.
    prefix: Mapped[str] = mapped_column(String(16))
    #: SHA-256 of the whole token, as hexadecimal digits.
    digest: Mapped[str] = mapped_column(String(64))
    #: "read", "write" or "admin"; each includes the ones before it.
    scope: Mapped[str] = mapped_column(String(10))
    #: "command" (made by `tokens create`) or "file" (found in TOKENS_DIR, revoked when it is gone from there).
    source: Mapped[str] = mapped_column(String(10))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
