"""The parts of answers: what is shown of a product, of a movement, of a reservation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from inventory_service.schemas.fields import Timestamp  # noqa: TC001 - pydantic reads it at run time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inventory_service.db.models import Product, Reservation, StockMovement
    from inventory_service.inventory.reports import Analytics
    from inventory_service.schemas.requests import RestockQuery


class Answer(BaseModel):
    """A part of an answer; every field is always there."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class ProductOut(Answer):
    """A product as the contract shows it."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["Desk lamp"])
    sku: str = Field(examples=["LAMP-1"])
    description: str = Field(examples=["Warm light, 9 W."])
    stock_level: int = Field(examples=[20])
    min_stock_threshold: int = Field(examples=[10])
    price: float = Field(examples=[19.99])
    created_at: Timestamp
    updated_at: Timestamp
    is_low_stock: bool = Field(examples=[False])

    @classmethod
    def of(cls, product: Product) -> ProductOut:
        """Return what is shown of a row."""
        return cls.model_construct(
            id=product.id,
            name=product.name,
            sku=product.sku,
            description=product.description,
            stock_level=product.stock_level,
            min_stock_threshold=product.min_stock_threshold,
            price=float(product.price),
            created_at=product.created_at,
            updated_at=product.updated_at,
            is_low_stock=product.is_low_stock,
        )


class RestockOut(Answer):
    """A restock's line of the ledger as the contract's restock log."""

    id: int
    product_id: int
    product_name: str
    product_sku: str
    quantity_added: int
    previous_stock: int
    new_stock: int
    restocked_at: Timestamp
    notes: str

    @classmethod
    def of(cls, movement: StockMovement) -> RestockOut:
        """Return what is shown of a line, whose product was loaded with it."""
        return cls(
            id=movement.id,
            product_id=movement.product_id,
            product_name=movement.product.name,
            product_sku=movement.product.sku,
            quantity_added=movement.delta,
            previous_stock=movement.balance_after - movement.delta,
            new_stock=movement.balance_after,
            restocked_at=movement.at,
            notes=movement.reason,
        )


class MovementOut(Answer):
    """A line of the ledger."""

    id: int
    product_id: int
    product_name: str
    product_sku: str
    kind: str = Field(examples=["adjustment"])
    delta: int = Field(examples=[-2])
    balance_after: int = Field(examples=[18])
    reason: str = Field(examples=["Broken in transport"])
    reference: str | None
    actor: str | None = Field(description="the name of the API token, where tokens are required")
    request_id: str | None
    at: Timestamp
    reverses: int | None = Field(description="the movement that this one undoes")
    low_stock_alert: bool = Field(description="whether this movement fired the product's low-stock alert")
    out_of_stock_alert: bool

    @classmethod
    def of(cls, movement: StockMovement) -> MovementOut:
        """Return what is shown of a line, whose product was loaded with it."""
        own = {name: getattr(movement, name) for name in cls.model_fields if not name.startswith("product_")}
        return cls(
            product_id=movement.product_id,
            product_name=movement.product.name,
            product_sku=movement.product.sku,
            **own,
        )


class StockOut(Answer):
    """What can be had of a product."""

    on_hand: int = Field(examples=[20])
    reserved: int = Field(examples=[5])
    available: int = Field(description="on hand less reserved; below 0 where a stock-take found less", examples=[15])


class LowStockOut(Answer):
    """A product at or below its threshold as the contract's list shows it."""

    id: int
    name: str
    sku: str
    quantity: int
    min_stock_level: int
    price: float

    @classmethod
    def of(cls, product: Product) -> LowStockOut:
        """Return what is shown of a row."""
        return cls(
            id=product.id,
            name=product.name,
            sku=product.sku,
            quantity=product.stock_level,
            min_stock_level=product.min_stock_threshold,
            price=float(product.price),
        )


class LowStockState(Answer):
    """Why a product needs attention, and since when."""

    product: ProductOut
    state: Literal["low", "out"]
    low_stock_since: Timestamp | None

    @classmethod
    def of(cls, product: Product) -> LowStockState:
        """Return what is shown of a row."""
        return cls(
            product=ProductOut.of(product),
            state="low" if product.stock_level else "out",
            low_stock_since=product.low_stock_since,
        )


class TopProduct(Answer):
    """One of the products with the largest stock."""

    name: str
    sku: str
    stock_level: int


class AnalyticsOut(Answer):
    """The figures of the whole inventory."""

    total_products: int
    low_stock_count: int
    out_of_stock_count: int
    total_stock_value: float
    recent_restocks_30_days: int
    low_stock_percentage: float
    top_stock_products: list[TopProduct]

    @classmethod
    def of(cls, figures: Analytics) -> AnalyticsOut:
        """Return the figures as the contract shows them."""
        share = 100 * figures.low_stock_count / figures.total_products if figures.total_products else 0.0
        return cls(
            total_products=figures.total_products,
            low_stock_count=figures.low_stock_count,
            out_of_stock_count=figures.out_of_stock_count,
            total_stock_value=round(figures.total_stock_value, 2),
            recent_restocks_30_days=figures.recent_restocks,
            low_stock_percentage=round(share, 2),
            top_stock_products=[
                TopProduct(name=each.name, sku=each.sku, stock_level=each.stock_level)
                for each in figures.top_stock_products
            ],
        )


class ReservationLineOut(Answer):
    """How much of one product is set aside."""

    product_id: int
    quantity: int


class ReservationOut(Answer):
    """A reservation; only an open one holds anything."""

    id: int
    state: Literal["open", "committed", "released", "expired"]
    reference: str | None
    actor: str | None
    created_at: Timestamp
    expires_at: Timestamp
    ended_at: Timestamp | None
    lines: list[ReservationLineOut]

    @classmethod
    def of(cls, reservation: Reservation, state: str) -> ReservationOut:
        """Return what is shown of a reservation in that state, whose lines were loaded with it."""
        own = ("id", "reference", "actor", "created_at", "expires_at", "ended_at")
        lines = [ReservationLineOut(product_id=each.product_id, quantity=each.quantity) for each in reservation.lines]
        return cls.model_validate(
            {"state": state, "lines": lines, **{name: getattr(reservation, name) for name in own}}
        )


class Pagination(Answer):
    """The contract's description of a numbered page."""

    page: int
    per_page: int
    total: int
    pages: int

    @classmethod
    def of(cls, query: RestockQuery, total: int) -> Pagination:
        """Return the description of the page that was asked for."""
        return cls(page=query.page, per_page=query.per_page, total=total, pages=-(-total // query.per_page))


def movements(rows: Iterable[StockMovement]) -> list[MovementOut]:
    """Return what is shown of lines of the ledger."""
    return [MovementOut.of(row) for row in rows]
