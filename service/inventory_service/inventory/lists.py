"""Lists, a page at a time by key, not by number: what changes meanwhile is neither shown twice nor skipped."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from sqlalchemy import Select, func, literal, or_, select, tuple_
from sqlalchemy.orm import contains_eager, selectinload

from inventory_service.db.models import MAX_ID, Product, Reservation, StockMovement
from inventory_service.inventory.refusals import BadCursor
from inventory_service.settings import MAX_STOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.orm import InstrumentedAttribute, Session

_Row = TypeVar("_Row", Product, StockMovement, Reservation)

#: What products can be sorted by; a minus before it turns the order round.
PRODUCT_SORTS: Final[Mapping[str, InstrumentedAttribute[Any]]] = {
    "id": Product.id,
    "sku": Product.sku,
    "name": Product.name,
    "stock_level": Product.stock_level,
    "price": Product.price,
    "updated_at": Product.updated_at,
}
#: The names that a request may use.
PRODUCT_ORDERS: Final = tuple(sign + name for name in PRODUCT_SORTS for sign in ("", "-"))


@dataclass(frozen=True, slots=True)
class ProductFilter:
    """Which products: `text` is looked for in SKU and name, whatever its case (SQLite: of ASCII letters only)."""

    text: str = ""
    low_stock: bool | None = None
    out_of_stock: bool | None = None


@dataclass(frozen=True, slots=True)
class MovementFilter:
    """Which lines of the ledger: of a product, of a kind, from a time on and before a time."""

    product_id: int | None = None
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """How many rows, and after which; without a limit all of them."""

    limit: int | None = None
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Slice(Generic[_Row]):
    """Some rows of a list; `next_cursor` is None at its end."""

    rows: Sequence[_Row]
    next_cursor: str | None


def products(
    session: Session, wanted: ProductFilter, order: str = "id", window: Window = Window()
) -> tuple[Slice[Product], int]:
    """Return products in one of PRODUCT_ORDERS, and how many match in all. Raise BadCursor."""
    statement = select(Product).where(Product.archived_at.is_(None), *_product_conditions(wanted))
    total = session.scalar(statement.with_only_columns(func.count(), maintain_column_froms=True)) or 0
    column = PRODUCT_SORTS[order.removeprefix("-")]
    return _slice(session, statement, _Order(order, column, Product.id), window), total


def movements(session: Session, wanted: MovementFilter, window: Window) -> Slice[StockMovement]:
    """Return lines of the ledger with their products, the newest first; those of archived products too."""
    return _slice(session, _movements(wanted), _Order("-id", StockMovement.id, StockMovement.id), window)


def numbered(session: Session, wanted: MovementFilter, page: int, per_page: int) -> tuple[Sequence[StockMovement], int]:
    """Return one numbered page of lines of the ledger, the newest first, and how many match in all."""
    statement = _movements(wanted)
    total = session.scalar(statement.with_only_columns(func.count(), maintain_column_froms=True)) or 0
    newest = statement.order_by(StockMovement.id.desc())
    return session.scalars(newest.offset((page - 1) * per_page).limit(per_page)).all(), total


def reservations(session: Session, window: Window) -> Slice[Reservation]:
    """Return reservations with their lines, the newest first."""
    statement = select(Reservation).options(selectinload(Reservation.lines))
    return _slice(session, statement, _Order("-id", Reservation.id, Reservation.id), window)


def _product_conditions(wanted: ProductFilter) -> list[Any]:
    conditions: list[Any] = []
    if wanted.text:
        names = [column.icontains(wanted.text, autoescape=True) for column in (Product.sku, Product.name)]
        conditions.append(or_(*names))
    if wanted.low_stock is not None:
        low = Product.stock_level <= Product.min_stock_threshold
        conditions.append(low if wanted.low_stock else ~low)
    if wanted.out_of_stock is not None:
        conditions.append(Product.stock_level == 0 if wanted.out_of_stock else Product.stock_level > 0)
    return conditions


def _movements(wanted: MovementFilter) -> Select[StockMovement]:
    statement = select(StockMovement).join(StockMovement.product).options(contains_eager(StockMovement.product))
    if wanted.product_id is not None:
        statement = statement.where(StockMovement.product_id == wanted.product_id)
    if wanted.kind is not None:
        statement = statement.where(StockMovement.kind == wanted.kind)
    if wanted.since is not None:
        statement = statement.where(StockMovement.at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(StockMovement.at < wanted.until)
    return statement


@dataclass(frozen=True, slots=True)
class _Order:
    """By which column, and by which primary key where its values are equal."""

    name: str
    column: InstrumentedAttribute[Any]
    key: InstrumentedAttribute[int]


def _slice(session: Session, statement: Select[_Row], order: _Order, window: Window) -> Slice[_Row]:
    """Return the rows in `order` after the one that the cursor names."""
    descending = order.name.startswith("-")
    by = (order.column, order.key)
    if window.cursor is not None:
        value, last = _read(window.cursor, order)
        place, after = tuple_(*by), tuple_(literal(value, order.column.type), literal(last, order.key.type))
        statement = statement.where(place < after if descending else place > after)
    statement = statement.order_by(*(each.desc() for each in by) if descending else by)
    if window.limit is None:
        return Slice(session.scalars(statement).all(), None)
    rows = session.scalars(statement.limit(window.limit + 1)).all()
    if len(rows) <= window.limit:
        return Slice(rows, None)
    final = rows[window.limit - 1]
    return Slice(rows[: window.limit], _write(order.name, getattr(final, order.column.key), final.id))


def _write(order: str, value: object, last: int) -> str:
    if isinstance(value, datetime):
        value = value.isoformat()
    content = json.dumps([order, str(value) if isinstance(value, Decimal) else value, last], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def _read(cursor: str, order: _Order) -> tuple[Any, int]:
    """Return the values that the cursor holds. Raise BadCursor: it comes from the client."""
    try:
        made_for, value, last = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        value, last = _PARSERS[order.column.key](value), _number(last)
    except (binascii.Error, ValueError, TypeError, ArithmeticError, RecursionError):
        raise BadCursor from None
    if made_for != order.name:
        raise BadCursor
    return value, last


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\x00" in value:
        raise ValueError
    value.encode()  # a lone surrogate, which JSON may hold and no database takes, is a ValueError
    return value


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= MAX_ID:
        raise ValueError
    return value


def _stock(value: Any) -> int:
    if _number(value) > MAX_STOCK:
        raise ValueError
    return _number(value)


def _price(value: Any) -> Decimal:
    price = Decimal(_text(value))
    if not 0 <= price <= MAX_STOCK:
        raise ValueError
    return price


def _time(value: Any) -> datetime:
    return datetime.fromisoformat(_text(value)).astimezone(UTC)


#: How the value of a column is read back from a cursor; what a database can't compare is refused.
_PARSERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "id": _number,
    "sku": _text,
    "name": _text,
    "stock_level": _stock,
    "price": _price,
    "updated_at": _time,
}
