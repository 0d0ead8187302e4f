"""The edge: request bodies and queries parsed into typed objects, models turned into the contract's JSON.

It never touches the database.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

from flask import request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from inventory_service.errors import BadRequest, UnsupportedEncoding
from inventory_service.settings import MAX_STOCK

if TYPE_CHECKING:
    from inventory_service.models import Product, StockMovement
    from inventory_service.store.reports import Analytics

MAX_PRICE: Final = 1_000_000_000
MAX_PER_PAGE: Final = 100

# PostgreSQL can't store NUL, so no text may hold it. (Lone surrogates are no valid JSON for the parser already.)
_TEXT: Final = r"^[^\x00]*$"
_TEXT_NOT_BLANK: Final = r"^[^\x00]*[^\s\x00][^\x00]*$"


def _empty_for_null(value: object) -> object:
    return "" if value is None else value


def _as_price(value: float) -> Decimal:
    # Through the shortest text, so that 19.99 is 19.99; `+ 0` turns -0.0 into 0.
    return Decimal(str(value + 0)).quantize(Decimal("0.0001"))


# A description says what is expected of the field: it ends the sentence "<field> must be ...".
Name = Annotated[
    str, Field(max_length=255, pattern=_TEXT_NOT_BLANK, description="a text of 1 to 255 characters, not blank")
]
Sku = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_-]{3,20}$", description="a text of 3 to 20 characters out of A-Z a-z 0-9 - _")
]
Description = Annotated[
    str,
    BeforeValidator(_empty_for_null),
    Field(max_length=1000, pattern=_TEXT, description="a text of at most 1000 characters"),
]
Notes = Annotated[
    str,
    BeforeValidator(_empty_for_null),
    Field(max_length=500, pattern=_TEXT, description="a text of at most 500 characters"),
]
Stock = Annotated[int, Field(ge=0, le=MAX_STOCK, description=f"a whole number from 0 to {MAX_STOCK}")]
Quantity = Annotated[int, Field(ge=1, le=MAX_STOCK, description=f"a whole number from 1 to {MAX_STOCK}")]
PriceNumber = Annotated[
    float,
    Field(ge=0, le=MAX_PRICE, allow_inf_nan=False, description=f"a number from 0 to {MAX_PRICE}"),
    AfterValidator(_as_price),
]


class Body(BaseModel):
    """A body of the contract's routes: strict about types, blind to unknown fields."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    def given(self) -> dict[str, Any]:
        """Return the known fields that the client sent."""
        return {field: getattr(self, field) for field in self.model_fields_set}


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


class Page(BaseModel):
    """The query of a list in pages; a larger per_page than there can be gives the largest."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    page: Annotated[int, Field(ge=1, le=MAX_STOCK, description=f"a whole number from 1 to {MAX_STOCK}")] = 1
    per_page: Annotated[
        int,
        Field(ge=1, description="a whole number, at least 1"),
        AfterValidator(lambda number: min(number, MAX_PER_PAGE)),
    ] = 20


_Body = TypeVar("_Body", bound=Body)


def body_of(model: type[_Body]) -> _Body:
    """Parse the body as JSON, whatever Content-Type it claims: old clients claim all kinds. Raise BadRequest."""
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise UnsupportedEncoding
    text = request.get_data()
    if request.content_length is None and len(text) == request.max_content_length:
        raise RequestEntityTooLarge  # werkzeug cuts a chunked body off there and says nothing
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise BadRequest(_sentences(model, error)) from None


def page_of_query() -> Page:
    """Parse `page` and `per_page`. Raise BadRequest."""
    try:
        return Page.model_validate(request.args.to_dict())
    except ValidationError as error:
        raise BadRequest(_sentences(Page, error)) from None


def _sentences(model: type[BaseModel], error: ValidationError) -> str:
    return " ".join(_sentence(model, problem["type"], problem) for problem in error.errors(include_url=False))


def _sentence(model: type[BaseModel], kind: str, problem: Any) -> str:
    if not problem["loc"]:
        if kind == "json_invalid":
            return f"The body must be a JSON object: {problem['ctx']['error']}."
        return "The body must be a JSON object."
    field = problem["loc"][0]
    expected = model.model_fields[field].description
    return f"{field} is required: {expected}." if kind == "missing" else f"{field} must be {expected}."


def product_json(product: Product) -> dict[str, Any]:
    """Return a product as the contract shows it."""
    return {
        "id": product.id,
        "name": product.name,
        "sku": product.sku,
        "description": product.description,
        "stock_level": product.stock_level,
        "min_stock_threshold": product.min_stock_threshold,
        "price": float(product.price),
        "created_at": product.created_at.isoformat(),
        "updated_at": product.updated_at.isoformat(),
        "is_low_stock": product.is_low_stock,
    }


def restock_json(movement: StockMovement) -> dict[str, Any]:
    """Return a restock's line of the ledger as the contract's restock log."""
    return {
        "id": movement.id,
        "product_id": movement.product_id,
        "product_name": movement.product.name,
        "product_sku": movement.product.sku,
        "quantity_added": movement.delta,
        "previous_stock": movement.balance_after - movement.delta,
        "new_stock": movement.balance_after,
        "restocked_at": movement.at.isoformat(),
        "notes": movement.reason,
    }


def low_stock_json(product: Product) -> dict[str, Any]:
    """Return a product as the contract's low-stock list shows it."""
    return {
        "id": product.id,
        "name": product.name,
        "sku": product.sku,
        "quantity": product.stock_level,
        "min_stock_level": product.min_stock_threshold,
        "price": float(product.price),
    }


def analytics_json(figures: Analytics) -> dict[str, Any]:
    """Return the figures as the contract shows them."""
    share = 100 * figures.low_stock_count / figures.total_products if figures.total_products else 0.0
    return {
        "total_products": figures.total_products,
        "low_stock_count": figures.low_stock_count,
        "out_of_stock_count": figures.out_of_stock_count,
        "total_stock_value": round(figures.total_stock_value, 2),
        "recent_restocks_30_days": figures.recent_restocks,
        "low_stock_percentage": round(share, 2),
        "top_stock_products": [
            {"name": product.name, "sku": product.sku, "stock_level": product.stock_level}
            for product in figures.top_stock_products
        ],
    }


def pagination_json(page: Page, total: int) -> dict[str, int]:
    """Return the contract's description of a page."""
    return {"page": page.page, "per_page": page.per_page, "total": total, "pages": -(-total // page.per_page)}
