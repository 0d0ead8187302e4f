"""The statements of an import: each is one for many products, and leaves what they do to the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, case, false, func, insert, literal, null, or_, select, update

from inventory_service.db.models import Base, Price, Product, StockMovement
from inventory_service.inventory import ledger, staging, stock
from inventory_service.inventory.staging import FIELDS

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Insert, Select, Subquery, Update
    from sqlalchemy.orm import Session

    from inventory_service.inventory.ledger import Origin

#: What is written in the ledger of a stock that an import set.
REASON: Final = "import"

#: Given values of its own, an insert of the ORM would take each as a new object.
_PRODUCTS: Final = Base.metadata.tables[Product.__tablename__]
_MOVEMENTS: Final = Base.metadata.tables[StockMovement.__tablename__]

_LINE: Final = (
    "product_id", "kind", "delta", "balance_after", "reason", "reference", "actor", "request_id", "at",
    "low_stock_alert", "out_of_stock_alert",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Terms:
    """What a new product gets where the import doesn't say, and what the ledger says of every change."""

    threshold: int
    reference: str | None = None


class Statements:
    """The statements of one import, at one time; their parameters are staged rows."""

    def __init__(self, session: Session, terms: Terms, origin: Origin) -> None:
        self._terms, self._origin = terms, origin
        self._hysteresis = session.info.get(stock.HYSTERESIS, 0)
        self._now = literal(datetime.now(UTC), Product.updated_at.type)
        rows = staging.table(session)
        #: Appends the lines of the ledger for the stocks that `change` will set: it forgets how much there was.
        self.count = self._count(rows)
        #: Changes the products that differ.
        self.change = self._change(rows)
        #: Creates products, and returns their ids.
        self.create = self._create(rows).returning(Product.id)
        #: Appends the first lines of the ledger of the new products with these `ids`.
        self.open = self._open()

    def _count(self, rows: Subquery) -> Insert:
        delta = rows.c.stock_level - Product.stock_level
        threshold = func.coalesce(rows.c.min_stock_threshold, Product.min_stock_threshold)
        alerts = stock.crossed(delta, threshold, self._hysteresis), stock.emptied(delta)
        lines = self._lines(ledger.COUNT, delta, rows.c.stock_level, *alerts)
        counted = lines.select_from(rows).join(Product, Product.id == rows.c.id).where(_changes(rows)["stock_level"])
        # By the id of the row, not of the product: SQLite would read all products in that order if it knew of few.
        return insert(_MOVEMENTS).from_select(_LINE, counted.order_by(rows.c.id))

    def _change(self, rows: Subquery) -> Update:
        given = {name: func.coalesce(rows.c[name], getattr(Product, name)) for name in FIELDS}
        delta = given.pop("stock_level") - Product.stock_level
        values = {
            **given,
            "stock_level": Product.stock_level + delta,
            **stock.alerts(delta, given["min_stock_threshold"], self._hysteresis, self._now),
            "update_operations": Product.update_operations + 1,
            "version": Product.version + 1,
            "updated_at": self._now,
        }
        return update(Product).where(Product.id == rows.c.id, or_(*_changes(rows).values())).values(values)

    def _create(self, rows: Subquery) -> Insert:
        defaults = {
            "description": literal(""),
            "stock_level": literal(0),
            "min_stock_threshold": literal(self._terms.threshold),
            "price": literal(Decimal(0), Price),
        }
        given = {name: func.coalesce(rows.c[name], default) for name, default in defaults.items()}
        low = given["stock_level"] <= given["min_stock_threshold"]
        values = {
            "sku": rows.c.sku,
            "name": rows.c.name,
            **given,
            "low_stock_since": case((low, self._now), else_=null()),
            "created_at": self._now,
            "updated_at": self._now,
        }
        return insert(_PRODUCTS).from_select(list(values), select(*values.values()))

    def _open(self) -> Insert:
        lines = self._lines(ledger.OPENING, Product.stock_level, Product.stock_level, false(), false())
        new = Product.id.in_(bindparam("ids", expanding=True))
        return insert(_MOVEMENTS).from_select(_LINE, lines.where(new, Product.stock_level > 0).order_by(Product.id))

    def _lines(self, kind: str, delta: Any, balance: Any, *alerts: Any) -> Select[Any]:
        """Return lines of the ledger, as `ledger.line` makes them."""
        of_all = (REASON, self._terms.reference, self._origin.actor, self._origin.request_id)
        texts = [literal(each, StockMovement.reason.type) for each in of_all]
        return select(Product.id, literal(kind), delta, balance, *texts, self._now, *alerts)


def present(session: Session) -> Select[Any]:
    """Return the SKU and the id of each product of the staged rows that is there."""
    rows = staging.table(session)
    there = and_(Product.sku == rows.c.sku, Product.archived_at.is_(None))
    return select(rows.c.sku, Product.id).select_from(rows).join(Product, there)


def comparison(session: Session) -> Select[Any]:
    """Return each staged row beside the product of its SKU: `id`, `sku`; `old_`, `new_`, `differs_` of each field."""
    rows = staging.table(session)
    there = and_(Product.sku == rows.c.sku, Product.archived_at.is_(None))
    olds = [getattr(Product, name).label(f"old_{name}") for name in FIELDS]
    news = [rows.c[name].label(f"new_{name}") for name in FIELDS]
    differ = [change.label(f"differs_{name}") for name, change in _changes(rows).items()]
    return select(Product.id, rows.c.sku, *olds, *news, *differ).select_from(rows).outerjoin(Product, there)


def _changes(rows: Subquery) -> dict[str, ColumnElement[bool]]:
    """Return what is changed of a product, field by field; of what is not given nothing is."""
    return {name: and_(rows.c[name].is_not(None), rows.c[name] != getattr(Product, name)) for name in FIELDS}
