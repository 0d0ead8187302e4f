"""Many products at once, found by their SKU: created, changed or left alone; all of them or none.

Only rows that the import changes are written, each under its lock, and by few statements for all of them: whoever waits
for a lock waits for the whole import.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from inventory_service.db.models import Product
from inventory_service.inventory import import_statements, staging
from inventory_service.inventory.import_statements import Statements
from inventory_service.inventory.refusals import ImportConflict
from inventory_service.inventory.staging import FIELDS, batches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from inventory_service.inventory.import_statements import Terms
    from inventory_service.inventory.ledger import Origin
    from inventory_service.inventory.staging import Staged

#: So many changes are described one by one; all are counted.
MAX_DESCRIBED: Final = 100


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
    #: The first MAX_DESCRIBED changes of a preview.
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


def preview(session: Session, staged: Staged) -> Outcome:
    """Return what `apply` would do now; nothing is locked and nothing is changed."""
    outcome = Outcome()
    _plan_for_growth(session)
    comparison = import_statements.comparison(session)
    for skus in batches(list(staged.rows)):
        found = {row.sku: row for row in session.execute(comparison, staged.text(skus))}
        for sku in skus:
            if found[sku].id is None and not staged.rows[sku].named:
                outcome.nameless.append(sku)
            else:
                outcome.add(_difference(found[sku]))
    return outcome


def apply(session: Session, staged: Staged, terms: Terms, origin: Origin) -> Outcome:
    """Create and change the products; nothing is done where one of them is `nameless`.

    Raise ImportConflict, after which nothing was done either and the session can still be used.
    """
    _plan_for_growth(session)
    known: Mapping[str, int] = _find(session, staged)
    nameless = [sku for sku, row in staged.rows.items() if sku not in known and not row.named]
    if nameless:
        return Outcome(nameless=nameless)
    statements = Statements(session, terms, origin)
    try:
        with session.begin_nested():
            known = _lock(session, known)
            updated = _change(session, staged, known, statements)
            created = _create(session, staged, sorted(staged.rows.keys() - known.keys()), statements)
    except IntegrityError:
        raise ImportConflict from None
    return Outcome(created=created, updated=updated, unchanged=len(known) - updated)


def _find(session: Session, staged: Staged) -> dict[str, int]:
    """Return the ids of the products that are there, by their SKU."""
    present, connection = import_statements.present(session), session.connection()
    found = (connection.execute(present, staging.keys(skus)).all() for skus in batches(list(staged.rows)))
    return {sku: product_id for rows in found for sku, product_id in rows}


def _lock(session: Session, known: Mapping[str, int]) -> Mapping[str, int]:
    """Lock the products in the order of their ids, and return those that are still there.

    Everybody locks products in that order, so that no two requests wait for each other in a circle. On SQLite the
    whole database is locked already.
    """
    if session.get_bind().dialect.name == "sqlite":
        return known
    locked: dict[str, int] = {}
    connection = session.connection()
    for ids in batches(sorted(known.values())):
        there = select(Product.sku, Product.id).where(Product.id.in_(ids), Product.archived_at.is_(None))
        rows = connection.execute(there.order_by(Product.id).with_for_update()).all()
        locked.update(dict(rows))
    return locked


def _change(session: Session, staged: Staged, known: Mapping[str, int], statements: Statements) -> int:
    """Change the locked products that differ, and return how many."""
    updated, connection = 0, session.connection()
    for skus in batches(sorted(known, key=known.__getitem__)):
        rows = staged.text(skus, [known[sku] for sku in skus])
        connection.execute(statements.count, rows)
        updated += connection.execute(statements.change, rows).rowcount
    return updated


def _create(session: Session, staged: Staged, skus: Sequence[str], statements: Statements) -> int:
    """Create products, whose SKUs are given in ascending order, for the same reason as in `_lock`; return how many.

    Raise ImportConflict where one was there until just now, and has no name in the import.
    """
    if any(not staged.rows[sku].named for sku in skus):
        raise ImportConflict
    connection = session.connection()
    for batch in batches(skus):
        ids = connection.scalars(statements.create, staged.text(batch)).all()
        connection.execute(statements.open, {"ids": ids})
    return len(skus)


def _difference(row: Any) -> Difference:
    """Return what `comparison` found for one SKU."""
    fields = row._mapping  # noqa: SLF001 - this is how SQLAlchemy names it
    if row.id is None:
        news = {name: (None, fields[f"new_{name}"]) for name in FIELDS}
        return Difference(row.sku, None, {name: both for name, both in news.items() if both[1] is not None})
    both = {name: (fields[f"old_{name}"], fields[f"new_{name}"]) for name in FIELDS if fields[f"differs_{name}"]}
    return Difference(row.sku, row.id, both)


def _plan_for_growth(session: Session) -> None:
    """Let PostgreSQL look rows up by index: a plan made before an import filled the table would read all of it.

    That of the ledger's foreign key is one that the connection may have made for another request.
    """
    if session.get_bind().dialect.name != "sqlite":
        session.execute(text("SET LOCAL enable_seqscan = off"))
        session.execute(text("DISCARD PLANS"))
