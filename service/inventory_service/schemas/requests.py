"""What requests may hold: the bodies and the queries. `reading` fills them in."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from inventory_service.inventory.ledger import KINDS
from inventory_service.inventory.lists import PRODUCT_ORDERS
from inventory_service.schemas.fields import (
    MAX_LINES,
    Delta,
    Description,
    Name,
    Notes,
    PriceNumber,
    ProductId,
    Quantity,
    Reason,
    Reference,
    Sku,
    Stock,
    Time,
)
from inventory_service.settings import MAX_STOCK

MAX_PER_PAGE: Final = 100
MAX_LIMIT: Final = 200
#: The longest that stock can be set aside: 30 days.
MAX_RESERVATION_SECONDS: Final = 30 * 86400

PageNumber = Annotated[int, Field(ge=1, le=MAX_STOCK, description=f"a whole number from 1 to {MAX_STOCK}")]
PerPage = Annotated[
    int,
    Field(ge=1, description="a whole number, at least 1"),
    AfterValidator(lambda number: min(number, MAX_PER_PAGE)),
]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT, description=f"a whole number from 1 to {MAX_LIMIT}")]
Cursor = Annotated[str, Field(min_length=1, max_length=2000, description="the next_cursor of the page before")]
Flag = Annotated[bool, Field(description="true or false")]


class Body(BaseModel):
    """A body of the contract's routes: strict about types, blind to unknown fields."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    def given(self) -> dict[str, Any]:
        """Return the known fields that the client sent."""
        return {field: getattr(self, field) for field in self.model_fields_set}


class NewBody(Body):
    """A body of the routes that are not the contract's: JSON by its Content-Type, and without unknown fields."""

    model_config = ConfigDict(extra="forbid")


class NewProduct(Body):
    """What POST /api/products takes; a threshold that isn't given is the service's setting."""

    name: Name
    sku: Sku
    description: Description = ""
    stock_level: Stock = 0
    min_stock_threshold: Stock = 0
    price: PriceNumber = Field(0, validate_default=True)


class ProductChange(Body):
    """What PUT /api/products/<id> takes: any of these; null is not a value of any but the description."""

    name: Name = ""
    description: Description = ""
    stock_level: Stock = 0
    min_stock_threshold: Stock = 0
    price: PriceNumber = 0


class Restock(Body):
    """What POST /api/products/<id>/restock takes."""

    quantity: Quantity
    notes: Notes = ""


class Adjustment(NewBody):
    """A signed change of one product's stock, with its reason."""

    delta: Delta
    reason: Reason
    reference: Reference | None = Field(None, description="a text of 1 to 255 characters, not blank, or null")


class StockTake(NewBody):
    """How many units were counted."""

    quantity: Stock
    reason: Notes = ""
    reference: Reference | None = Field(None, description="a text of 1 to 255 characters, not blank, or null")


class MovementLine(NewBody):
    """A signed change of one product's stock, among others."""

    product_id: ProductId
    delta: Delta


class Movements(NewBody):
    """Signed changes of several stocks, all or nothing; lines of one product are summed."""

    lines: Annotated[
        list[MovementLine], Field(min_length=1, max_length=MAX_LINES, description=f"a list of 1 to {MAX_LINES} lines")
    ]
    reason: Reason
    reference: Reference | None = Field(None, description="a text of 1 to 255 characters, not blank, or null")


class Undo(NewBody):
    """Why a movement is undone."""

    reason: Notes = ""


class ReservationPart(NewBody):
    """How many units of one product are to be set aside."""

    product_id: ProductId
    quantity: Quantity


class NewReservation(NewBody):
    """What is to be set aside, all or nothing, and for how long; lines of one product are summed."""

    lines: Annotated[
        list[ReservationPart],
        Field(min_length=1, max_length=MAX_LINES, description=f"a list of 1 to {MAX_LINES} lines"),
    ]
    expires_in_seconds: Annotated[
        int,
        Field(
            ge=1,
            le=MAX_RESERVATION_SECONDS,
            description=f"a whole number of seconds from 1 to {MAX_RESERVATION_SECONDS}",
        ),
    ] = 900
    reference: Reference | None = Field(None, description="a text of 1 to 255 characters, not blank, or null")


class Empty(NewBody):
    """Nothing: the address says it all."""


class Query(BaseModel):
    """A query; parameters that are not named here are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class ProductQuery(Query):
    """Which products; all of them at once unless a limit or a cursor is given."""

    q: Annotated[str, Field(max_length=255, pattern=r"^[^\x00]*$", description="a text of at most 255 characters")] = ""
    low_stock: Flag | None = Field(None, description="true or false")
    out_of_stock: Flag | None = Field(None, description="true or false")
    sort: Literal[PRODUCT_ORDERS] = Field("id", description=f"one of {', '.join(PRODUCT_ORDERS)}")  # type: ignore[valid-type]
    limit: Limit | None = Field(None, description=f"a whole number from 1 to {MAX_LIMIT}")
    cursor: Cursor | None = Field(None, description="the next_cursor of the page before")


class RestockQuery(Query):
    """Which restocks: a numbered page, or, with a limit or a cursor, a page by key."""

    page: PageNumber = 1
    per_page: PerPage = 20
    product_id: ProductId | None = Field(None, description="the id of a product, a whole number from 1 on")
    limit: Limit | None = Field(None, description=f"a whole number from 1 to {MAX_LIMIT}")
    cursor: Cursor | None = Field(None, description="the next_cursor of the page before")


class WindowQuery(Query):
    """A page by key."""

    limit: Limit = 50
    cursor: Cursor | None = Field(None, description="the next_cursor of the page before")


class LedgerQuery(WindowQuery):
    """Which lines of a product's ledger."""

    kind: Literal[KINDS] | None = Field(None, description=f"one of {', '.join(KINDS)}")  # type: ignore[valid-type]
    since: Time | None = Field(None, description="a time like 2026-01-31T12:00:00Z")
    until: Time | None = Field(None, description="a time like 2026-01-31T12:00:00Z")


class MovementQuery(LedgerQuery):
    """Which lines of the whole ledger."""

    product_id: ProductId | None = Field(None, description="the id of a product, a whole number from 1 on")
