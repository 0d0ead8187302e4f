"""The body of each answer: one model for each route's success, and one for every error."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, RootModel

from inventory_service.schemas.records import (
    AnalyticsOut,
    Answer,
    LowStockOut,
    LowStockState,
    MovementOut,
    Pagination,
    ProductOut,
    ReservationOut,
    RestockOut,
    StockOut,
)


class Success(Answer):
    """Every answer that is no problem."""

    success: Literal[True] = True


class Message(Success):
    """A sentence for a person."""

    message: str


class ProductAnswer(Success):
    """One product."""

    product: ProductOut


class ProductMessage(Message, ProductAnswer):
    """One product after a change."""


class RestockMessage(ProductMessage):
    """One product after a restock, and the restock."""

    restock_log: RestockOut


class MovementMessage(ProductMessage):
    """One product after a movement, and the movement."""

    movement: MovementOut


class MovementsMessage(Message):
    """What was moved."""

    movements: list[MovementOut]


class ProductsAnswer(Success):
    """A list of products; `total_count` tells how many match, `next_cursor` is null on the last page."""

    products: list[ProductOut]
    total_count: int


class ProductsPage(ProductsAnswer):
    """A page of a list of products."""

    next_cursor: str | None


class ProductList(RootModel[ProductsPage | ProductsAnswer]):
    """A page of products, or all that match; only a page has a `next_cursor`."""


class LowStockAnswer(Success):
    """The contract's low-stock list."""

    products: list[LowStockOut]


class LowStockStates(Success):
    """The products that need attention, the emptiest first."""

    products: list[LowStockState]


class AnalyticsAnswer(Success):
    """The figures of the whole inventory."""

    analytics: AnalyticsOut


class RestocksAnswer(Success):
    """A numbered page of restocks."""

    restock_logs: list[RestockOut]
    pagination: Pagination


class RestocksPage(Success):
    """A page of restocks by key."""

    restock_logs: list[RestockOut]
    next_cursor: str | None


class RestockList(RootModel[RestocksAnswer | RestocksPage]):
    """A page of restocks: numbered, or by key."""


class MovementsPage(Success):
    """A page of the ledger, the newest first."""

    movements: list[MovementOut]
    next_cursor: str | None


class MovementAnswer(Success):
    """A line of the ledger."""

    movement: MovementOut


class StockAnswer(Success):
    """What can be had of a product."""

    stock: StockOut


class ReservationAnswer(Success):
    """A reservation."""

    reservation: ReservationOut


class ReservationsPage(Success):
    """A page of reservations, the newest first."""

    reservations: list[ReservationOut]
    next_cursor: str | None


class CommittedReservation(ReservationAnswer):
    """A reservation that was taken out of the stock, and the movements."""

    movements: list[MovementOut]


class Health(Answer):
    """The contract's health check."""

    status: Literal["healthy"] = "healthy"
    message: str


class Problem(Answer):
    """Every refusal and every error: the contract's `success` and `error`, and an RFC 9457 problem."""

    success: Literal[False] = False
    error: str = Field(examples=["There is no product with id 7."])
    type: str = Field(examples=["urn:inventorystack:problem:unknown-product"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str
    instance: str = Field(examples=["/api/products/7"])
    request_id: str | None
