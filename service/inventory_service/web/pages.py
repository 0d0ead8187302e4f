"""Pages that show: products, one product, what runs low, reservations; and files to download."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from apiflask import APIBlueprint
from flask import request
from pydantic import Field

from inventory_service.context import context
from inventory_service.importexport.download import download
from inventory_service.inventory import exports, history, lists, reports, reservations, stock
from inventory_service.inventory.lists import MovementFilter, ProductFilter, Window
from inventory_service.schemas.importexport import ExportQuery
from inventory_service.schemas.reading import read_query
from inventory_service.schemas.requests import Cursor, Query
from inventory_service.web.forms import State
from inventory_service.web.plot import plot
from inventory_service.web.render import page

if TYPE_CHECKING:
    from flask import Response

blueprint = APIBlueprint("pages", __name__, enable_openapi=False, template_folder="templates")

#: What the list can be sorted by, and how that is called.
SORTS: Final = {
    "name": "Name",
    "sku": "SKU",
    "stock_level": "Stock, smallest first",
    "-stock_level": "Stock, largest first",
    "-updated_at": "Changed last",
    "price": "Price, lowest first",
    "-price": "Price, highest first",
}
_ROWS: Final = 50
_MOVEMENTS: Final = 25
_TRAIL: Final = 300
_PLOT_WIDTHS: Final = (720, 320)


class ListQuery(Query):
    """What of the products is shown."""

    q: str = Field("", max_length=255, pattern=r"^[^\x00]*$", description="a text of at most 255 characters")
    low: Literal["", "1"] = Field("", description="1 or empty")
    sort: Literal[tuple(SORTS)] = Field("name", description=f"one of {', '.join(SORTS)}")  # type: ignore[valid-type]
    cursor: Cursor | None = Field(None, description="the cursor of the page before")


class HistoryQuery(Query):
    """Which page of a product's movements is shown."""

    cursor: Cursor | None = Field(None, description="the cursor of the page before")


@blueprint.get("/")
def show_products() -> Response:
    """Show the products, page by page."""
    query = read_query(ListQuery, request)
    wanted = ProductFilter(query.q.strip(), low_stock=True if query.low else None)
    with context().database.reading() as session:
        found, total = lists.products(session, wanted, query.sort, Window(_ROWS, query.cursor))
    return page("products", query=query, found=found, total=total, sorts=SORTS)


@blueprint.get("/products/<int:product_id>")
def show_product(product_id: int) -> Response:
    """Show a product."""
    return product_page(product_id)


def product_page(product_id: int, failed: str = "", state: State | None = None, status: int = 200) -> Response:
    """Return the page of a product; `state` is what the form of that name is shown again with."""
    query = read_query(HistoryQuery, request)
    with context().database.reading() as session:
        product = stock.get(session, product_id)
        held = stock.reserved(session, [product_id]).get(product_id, 0)
        moved = lists.movements(session, MovementFilter(product_id), Window(_MOVEMENTS, query.cursor))
        undone = history.reversals(session, [movement.id for movement in moved.rows])
        trail = history.trail(session, product_id, _TRAIL)
    now = datetime.now(UTC)
    plots = [plot(trail, product.min_stock_threshold, now, width) for width in _PLOT_WIDTHS] if trail else []
    forms = {name: State() for name in ("restock", "adjust", "count", "undo")} | ({failed: state} if state else {})
    return page(
        "product",
        status,
        product=product,
        held=held,
        moved=moved,
        undone=undone,
        trail=trail,
        plots=plots,
        forms=forms,
        failed=failed,
        cursor=query.cursor,
    )


@blueprint.get("/low-stock")
def show_low_stock() -> Response:
    """Show what is out of stock or low."""
    with context().database.reading() as session:
        found = reports.low_stock(session)
    return page("low_stock", products=found)


@blueprint.get("/reservations")
def show_reservations() -> Response:
    """Show the reservations, the newest first."""
    query = read_query(HistoryQuery, request)
    with context().database.reading() as session:
        found = lists.reservations(session, Window(_ROWS, query.cursor))
        now = reservations.now(session)
        ids = {line.product_id for reservation in found.rows for line in reservation.lines}
        products = history.products_by_id(session, ids)
    states = {each.id: reservations.state_of(each, now) for each in found.rows}
    return page("reservations", found=found, states=states, products=products)


@blueprint.get("/export/products")
def export_products() -> Response:
    """Download all products."""
    query = read_query(ExportQuery, request)
    return download("products", exports.PRODUCT_COLUMNS, exports.products(context().database), query)


@blueprint.get("/export/movements")
def export_movements() -> Response:
    """Download the ledger."""
    query = read_query(ExportQuery, request)
    rows = exports.movements(context().database, MovementFilter())
    return download("movements", exports.MOVEMENT_COLUMNS, rows, query)
