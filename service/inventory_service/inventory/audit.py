"""The audit: the stock against the sum of the ledger, the ledger against itself, reservations against their state.

It reads one snapshot, so that what is written meanwhile doesn't look like a drift.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, or_, select, text

from inventory_service.db.database import allow
from inventory_service.db.models import Product, Reservation, ReservationLine, StockMovement
from inventory_service.inventory.reservations import OPEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

#: A large ledger takes longer to read than a client waits for an answer.
_POSTGRESQL_SECONDS: Final = 600


@dataclass(frozen=True, slots=True)
class ProductDrift:
    """A product whose stock or ledger contradicts the sum of its movements."""

    product_id: int
    sku: str
    archived: bool
    stock_level: int
    ledger_sum: int
    #: Movements whose balance is not the sum of the movements up to them, and the first of them.
    wrong_balances: int
    first_wrong_movement: int | None


@dataclass(frozen=True, slots=True)
class Findings:
    """What contradicts what; empty is good."""

    products: Sequence[ProductDrift]
    #: Reservations that hold nothing, or whose end contradicts their state.
    reservations: Sequence[int]

    def __len__(self) -> int:
        return len(self.products) + len(self.reservations)


def examine(session: Session) -> Findings:
    """Return what contradicts what, of one moment; call it in a transaction `use_snapshot` was called in."""
    return Findings(
        products=[ProductDrift(**row) for row in session.execute(_products()).mappings()],
        reservations=session.scalars(_reservations()).all(),
    )


def use_snapshot(session: Session) -> None:
    """Let the session's transaction, that has just begun, see one snapshot; SQLite's always does."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        allow(session, _POSTGRESQL_SECONDS)


def _products() -> Select[Any]:
    # A product's movements get their ids under the lock of its row: the order of ids is the order of the changes.
    running = func.sum(StockMovement.delta).over(partition_by=StockMovement.product_id, order_by=StockMovement.id)
    lines = select(
        StockMovement.product_id,
        StockMovement.id,
        StockMovement.delta,
        (StockMovement.balance_after != running).label("wrong"),
    ).subquery()
    wrong = lines.c.wrong.is_(True)
    sums = (
        select(
            lines.c.product_id,
            func.sum(lines.c.delta).label("total"),
            func.count().filter(wrong).label("wrong"),
            func.min(lines.c.id).filter(wrong).label("first"),
        )
        .group_by(lines.c.product_id)
        .subquery()
    )
    total, wrong_lines = func.coalesce(sums.c.total, 0), func.coalesce(sums.c.wrong, 0)
    return (
        select(
            Product.id.label("product_id"),
            Product.sku,
            Product.archived_at.is_not(None).label("archived"),
            Product.stock_level,
            total.label("ledger_sum"),
            wrong_lines.label("wrong_balances"),
            sums.c.first.label("first_wrong_movement"),
        )
        .outerjoin(sums, sums.c.product_id == Product.id)
        .where(or_(Product.stock_level != total, wrong_lines > 0))
        .order_by(Product.id)
    )


def _reservations() -> Select[Any]:
    holds = select(ReservationLine.product_id).where(ReservationLine.reservation_id == Reservation.id).exists()
    ended = Reservation.ended_at.is_not(None)
    return select(Reservation.id).where(or_((Reservation.state == OPEN) == ended, ~holds)).order_by(Reservation.id)
