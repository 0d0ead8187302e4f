"""All products and movements, batch by batch: each batch is a short read of its own, so that no transaction lasts.

The result is no snapshot: what changes meanwhile may be in it or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from inventory_service.db.models import Product
from inventory_service.inventory import lists
from inventory_service.inventory.lists import Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from inventory_service.db.database import Database
    from inventory_service.inventory.lists import MovementFilter

    Batch = Sequence[Mapping[str, Any]]

#: What an import takes, so that what was exported can be imported.
PRODUCT_COLUMNS: Final = ("sku", "name", "description", "stock_level", "min_stock_threshold", "price")
MOVEMENT_COLUMNS: Final = (
    "id", "at", "product_id", "sku", "name", "kind", "delta", "balance_after", "reason", "reference", "actor",
    "request_id", "reverses", "low_stock_alert", "out_of_stock_alert",
)  # fmt: skip

_BATCH: Final = 500
_OF_PRODUCT: Final = frozenset({"sku", "name"})


def products(database: Database) -> Iterator[Batch]:
    """Yield all products, the oldest first."""
    last = 0
    columns = [Product.id, *(getattr(Product, name) for name in PRODUCT_COLUMNS)]
    while True:
        after = select(*columns).where(Product.id > last, Product.archived_at.is_(None)).order_by(Product.id)
        with database.reading() as session:
            rows = session.execute(after.limit(_BATCH)).mappings().all()
        if not rows:
            return
        yield [dict(row) for row in rows]
        last = rows[-1]["id"]


def movements(database: Database, wanted: MovementFilter) -> Iterator[Batch]:
    """Yield the lines of the ledger, the newest first, those of archived products included."""
    cursor: str | None = None
    while True:
        with database.reading() as session:
            found = lists.movements(session, wanted, Window(_BATCH, cursor))
        yield [
            {name: getattr(line.product if name in _OF_PRODUCT else line, name) for name in MOVEMENT_COLUMNS}
            for line in found.rows
        ]
        cursor = found.next_cursor
        if cursor is None:
            return
