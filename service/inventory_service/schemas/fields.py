"""The types of single fields; each description ends the sentence "<field> must be ...".

A model says whether a field is required.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

from inventory_service.settings import MAX_STOCK

MAX_PRICE: Final = 1_000_000_000
#: Lines of one request, at most: so many rows are locked at once.
MAX_LINES: Final = 100

# PostgreSQL can't store NUL, so no text may hold it. (Lone surrogates are no valid JSON for the parser already.)
_TEXT: Final = r"^[^\x00]*$"
_TEXT_NOT_BLANK: Final = r"^[^\x00]*[^\s\x00][^\x00]*$"


def _empty_for_null(value: object) -> object:
    return "" if value is None else value


def _as_price(value: float) -> Decimal:
    # Through the shortest text, so that 19.99 is 19.99; `+ 0` turns -0.0 into 0.
    return Decimal(str(value + 0)).quantize(Decimal("0.0001"))


def _no_number(value: object) -> object:
    """Refuse what pydantic would take as seconds since 1970."""
    if isinstance(value, str) and "-" not in value[1:]:
        raise ValueError
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:  # at the ends of the calendar, where UTC would be in another year than 1 to 9999
        raise ValueError from None


Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        pattern=_TEXT_NOT_BLANK,
        description="a text of 1 to 255 characters, not blank",
        examples=["Desk lamp"],
    ),
]
Sku = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_-]{3,20}$",
        description="a text of 3 to 20 characters out of A-Z a-z 0-9 - _",
        examples=["LAMP-1"],
    ),
]
Description = Annotated[
    str,
    BeforeValidator(_empty_for_null, json_schema_input_type=str | None),
    Field(
        max_length=1000, pattern=_TEXT, description="a text of at most 1000 characters", examples=["Warm light, 9 W."]
    ),
]
Notes = Annotated[
    str,
    BeforeValidator(_empty_for_null, json_schema_input_type=str | None),
    Field(max_length=500, pattern=_TEXT, description="a text of at most 500 characters", examples=["Delivery 4711"]),
]
Reason = Annotated[
    str,
    Field(
        min_length=1,
        max_length=500,
        pattern=_TEXT_NOT_BLANK,
        description="a text of 1 to 500 characters, not blank",
        examples=["Broken in transport"],
    ),
]
Reference = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        pattern=_TEXT_NOT_BLANK,
        description="a text of 1 to 255 characters, not blank",
        examples=["order 1234"],
    ),
]
Stock = Annotated[int, Field(ge=0, le=MAX_STOCK, description=f"a whole number from 0 to {MAX_STOCK}", examples=[20])]
Quantity = Annotated[int, Field(ge=1, le=MAX_STOCK, description=f"a whole number from 1 to {MAX_STOCK}", examples=[5])]
Delta = Annotated[
    int,
    Field(
        ge=-MAX_STOCK,
        le=MAX_STOCK,
        description=f"a whole number from -{MAX_STOCK} to {MAX_STOCK}",
        examples=[-2],
    ),
]
ProductId = Annotated[
    int, Field(ge=1, le=2**63 - 1, description="the id of a product, a whole number from 1 on", examples=[1])
]
PriceNumber = Annotated[
    float,
    Field(ge=0, le=MAX_PRICE, allow_inf_nan=False, description=f"a number from 0 to {MAX_PRICE}", examples=[19.99]),
    AfterValidator(_as_price),
]
#: A time in a query; one without a zone is taken as UTC.
Time = Annotated[
    datetime,
    BeforeValidator(_no_number),
    AfterValidator(_in_utc),
    Field(description="a time like 2026-01-31T12:00:00Z", examples=["2026-01-31T12:00:00Z"]),
]
#: A time in an answer, as the contract's clients parse it: with +00:00, never Z.
Timestamp = Annotated[
    datetime,
    PlainSerializer(datetime.isoformat, return_type=str),
    Field(examples=["2026-01-31T12:00:00.123456+00:00"], json_schema_extra={"format": "date-time"}),
]
