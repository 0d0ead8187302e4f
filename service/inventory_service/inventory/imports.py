"""Many products at once, found by their SKU: created, changed or left alone; all of them or none.

It never touches a product that the import doesn't change, and never computes a stock without holding the row's lock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Integer, bindparam, select, text, update
from sqlalchemy.exc import IntegrityError

from inventory_service.db.models import Product
from inventory_service.inventory import ledger, products, stock
from inventory_service.inventory.ledger import Change
from inventory_service.inventory.refusals import ImportConflict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import TypeVar

    from sqlalchemy import Row, Select
    from sqlalchemy.orm import Session

    from inventory_service.inventory.ledger import Origin

    _T = TypeVar("_T")
    #: SKU -> the fields that are given for it, the SKU among them.
    Wanted = Mapping[str, Mapping[str, Any]]

#: What is written in the ledger of a stock that an import set.
REASON: Final = "import"
#: So many changes are described one by one; all are counted.
MAX_DESCRIBED: Final = 100

_BATCH: Final = 500
_FIELDS: Final = ("name", "description", "stock_level", "min_stock_threshold", "price")
_KEYS: Final = (Product.id, Product.sku)
_CURRENT: Final = (*_KEYS, *(getattr(Product, name) for name in _FIELDS))


@dataclass(frozen=True, slots=True)
class Difference:
    """What an import changes of one product: field -> (old, new); `product_id` is None where it is new."""

    sku: str
    product_id: int | None
    fields: Mapping[str, tuple[Any, Any]]


@dataclass(slots=True)
class Outcome:
    """How many products an import creates, updates (the stock of `counted` of them) and leaves as they are."""

    created: int = 0
    updated: int = 0
    counted: int = 0
    unchanged: int = 0
    #: New products that can't be created, for they have no name.
    nameless: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)

    def add(self, difference: Difference) -> None:
        """Count one product."""
        if difference.product_id is None:
            self.created += 1
        elif difference.fields:
            self.updated += 1
            self.counted += "stock_level" in difference.fields
        else:
            self.unchanged += 1
        if difference.fields and len(self.differences) < MAX_DESCRIBED:
            self.differences.append(difference)


def preview(session: Session, wanted: Wanted) -> Outcome:
    """Return what `apply` would do now; nothing is locked and nothing is changed."""
    outcome = Outcome()
    _plan_for_growth(session)
    for skus in _batches(wanted):
        current = {row.sku: row for row in session.execute(_by_sku(skus, *_CURRENT))}
        for sku in skus:
            if sku in current:
                outcome.add(Difference(sku, current[sku].id, _changed(current[sku], wanted[sku])))
            elif "name" not in wanted[sku]:
                outcome.nameless.append(sku)
            else:
                outcome.add(_creation(sku, wanted[sku]))
    return outcome


@dataclass(frozen=True, slots=True)
class Terms:
    """What a new product gets where the import doesn't say, and what the ledger says of every change."""

    threshold: int
    reference: str | None = None


def apply(session: Session, wanted: Wanted, terms: Terms, origin: Origin) -> Outcome:
    """Create and change the products; nothing is done where one of them is `nameless`.

    Raise ImportConflict, after which nothing was done either and the session can still be used.
    """
    run = _Import(session, wanted, terms, origin)
    _plan_for_growth(session)
    ids = {row.sku: row.id for batch in _batches(wanted) for row in session.execute(_by_sku(batch, *_KEYS))}
    run.outcome.nameless += [sku for sku in wanted if sku not in ids and "name" not in wanted[sku]]
    if run.outcome.nameless:
        return run.outcome
    try:
        with session.begin_nested():
            known = run.change(sorted(ids.values()))
            run.create(sorted(sku for sku in wanted if sku not in known))
    except IntegrityError:
        raise ImportConflict from None
    return run.outcome


@dataclass(slots=True)
class _Import:
    """One import while it is carried out."""

    session: Session
    wanted: Wanted
    terms: Terms
    origin: Origin
    outcome: Outcome = field(default_factory=Outcome)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def change(self, ids: Sequence[int]) -> set[str]:
        """Change the products with these ids in ascending order, and return the SKUs of those that are still there.

        Everybody locks products in that order, so that no two requests wait for each other in a circle.
        """
        known: set[str] = set()
        for batch in _batches(ids):
            locked = select(*_CURRENT).where(Product.id.in_(batch), Product.archived_at.is_(None)).order_by(Product.id)
            rows = self.session.execute(locked.with_for_update()).all()
            known.update(row.sku for row in rows)
            differences = {row.id: _changed(row, self.wanted[row.sku]) for row in rows}
            for row in rows:
                self.outcome.add(Difference(row.sku, row.id, differences[row.id]))
            self._write([row for row in rows if differences[row.id]], differences)
        return known

    def _write(self, rows: Sequence[Row[Any]], differences: Mapping[int, Mapping[str, tuple[Any, Any]]]) -> None:
        """Write the changes of some locked products, and the lines of the ledger for their stocks."""
        if not rows:
            return
        parameters = [_parameters(row, differences[row.id]) for row in rows]
        hysteresis = self.session.info.get(stock.HYSTERESIS, 0)
        self.session.connection().execute(_update(hysteresis, self.now), parameters)
        deltas = {each["product"]: each["delta"] for each in parameters if each["delta"]}
        counted = select(Product).where(Product.id.in_(deltas)).order_by(Product.id)
        found = self.session.scalars(counted, execution_options={"populate_existing": True}).all()
        why = Change(ledger.COUNT, REASON, self.terms.reference)
        self.session.add_all([ledger.line(product, deltas[product.id], why, self.origin) for product in found])
        self.session.flush()

    def create(self, skus: Sequence[str]) -> None:
        """Create products, whose SKUs are given in ascending order, for the same reason.

        Raise ImportConflict where one was there until just now, and has no name in the import.
        """
        if any("name" not in self.wanted[sku] for sku in skus):
            raise ImportConflict
        why = Change(ledger.OPENING, REASON, self.terms.reference)
        defaults = {
            "description": "",
            "stock_level": 0,
            "min_stock_threshold": self.terms.threshold,
            "price": Decimal(0),
        }
        for batch in _batches(skus):
            created = [products.new({**defaults, **self.wanted[sku]}, self.now) for sku in batch]
            self.session.add_all(created)
            self.session.flush()
            stocked = [each for each in created if each.stock_level]
            self.session.add_all([ledger.line(each, each.stock_level, why, self.origin) for each in stocked])
            self.session.flush()
            for sku in batch:
                self.outcome.add(_creation(sku, self.wanted[sku]))


def _parameters(row: Row[Any], changed: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
    new = {name: changed[name][1] if name in changed else getattr(row, name) for name in _FIELDS}
    delta = new.pop("stock_level") - row.stock_level
    return {"product": row.id, "delta": delta, **{f"new_{name}": value for name, value in new.items()}}


def _update(hysteresis: int, now: datetime) -> Any:
    """Return the one statement for all changed products; the stock and its alerts as `stock` changes them."""
    delta, threshold = bindparam("delta", type_=Integer), bindparam("new_min_stock_threshold", type_=Integer)
    values = {
        **{name: bindparam(f"new_{name}") for name in _FIELDS if name != "stock_level"},
        "stock_level": Product.stock_level + delta,
        **stock.alerts(delta, threshold, hysteresis, now),
        "update_operations": Product.update_operations + 1,
        "version": Product.version + 1,
        "updated_at": now,
    }
    return update(Product).where(Product.id == bindparam("product")).values(values)


def _creation(sku: str, given: Mapping[str, Any]) -> Difference:
    return Difference(sku, None, {name: (None, given[name]) for name in _FIELDS if name in given})


def _plan_for_growth(session: Session) -> None:
    """Let PostgreSQL look rows up by index: a plan made before an import filled the table would read all of it."""
    if session.get_bind().dialect.name != "sqlite":
        session.execute(text("SET LOCAL enable_seqscan = off"))


def _by_sku(skus: Sequence[str], *columns: Any) -> Select[Any]:
    return select(*columns).where(Product.sku.in_(skus), Product.archived_at.is_(None))


def _changed(row: Row[Any], given: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {
        name: (getattr(row, name), given[name])
        for name in _FIELDS
        if name in given and getattr(row, name) != given[name]
    }


def _batches(items: Iterable[_T]) -> Iterator[Sequence[_T]]:
    rest = iter(items)
    while batch := list(islice(rest, _BATCH)):
        yield batch
