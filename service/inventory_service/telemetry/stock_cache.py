"""The products as the metrics need them: a scrape reads only what changed since the last one.

All of the table is read at the start and every five minutes.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import func, select

from inventory_service.db.models import Product

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.orm import Session

#: A change is dated before it is committed, and by the clock of whichever pod made it. A minute is several statement
#: timeouts (10 s each) and some seconds of skew. What comes later than that is found by the next full read.
SLACK: Final = timedelta(seconds=60)
#: For what no date tells: rows changed by hand, a transaction longer than the slack, a clock that was set.
FULL_SECONDS: Final = 300.0

#: The table itself, not the model: what it gives are plain rows, in two thirds of the time.
_PRODUCTS: Final = Product.__table__.c
_ARCHIVED: Final = _PRODUCTS.archived_at.is_not(None)


class ProductRow(NamedTuple):
    """What is exported of one product."""

    id: int
    name: str
    sku: str
    stock_level: int
    min_stock_threshold: int
    low_stock_alerts: int
    out_of_stock_alerts: int
    restock_operations: int


_ROW: Final = [_PRODUCTS[field] for field in ProductRow._fields]
_WIDTH: Final = len(_ROW)


class StockCache:
    """The exported products, and the counts over all of them; not for two threads at once.

    Of more than `cap` products those with the lowest ids are exported: a new one then doesn't end the series of an
    old one, every replica chooses the same, and one that is deleted makes room for the next. Of the others only their
    operations are kept: about 100 bytes each.
    """

    def __init__(self, cap: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._cap = cap
        self._clock = clock
        #: Another number whenever `rows` may be different.
        self.generation = 0
        self.forget()

    def forget(self) -> None:
        """Start afresh: the next refresh reads everything."""
        self.rows: Mapping[int, ProductRow] = {}
        self.not_exported = self.low_stock = self.out_of_stock = 0
        self._updates: dict[int, int] = {}
        self._update_count = 0
        self._archived: set[int] = set()
        self._since: datetime | None = None
        self._full_at = 0.0

    @property
    def operations(self) -> Mapping[str, int]:
        """How many products were created, updated and deleted, ever."""
        return {"create": len(self._updates), "update": self._update_count, "delete": len(self._archived)}

    def refresh(self, session: Session) -> None:
        """Let everything be as of now in `session`'s database."""
        now = datetime.now(UTC)
        if self._since is None or self._clock() - self._full_at > FULL_SECONDS:
            self._read_all(session)
            self._full_at = self._clock()
        else:
            self._read_changed(session, self._since - SLACK)
        # By our clock, not the newest date seen: a single row dated ahead would hide every change until then.
        self._since = now
        self._count_low_stock(session)

    def _read_all(self, session: Session) -> None:
        everything = session.execute(select(_PRODUCTS.id, _PRODUCTS.update_operations, _ARCHIVED)).all()
        self._updates = {product_id: updates for product_id, updates, _ in everything}
        self._archived = {product_id for product_id, _, archived in everything if archived}
        self._update_count = sum(self._updates.values())
        self.rows = {}
        self._choose(session)

    def _read_changed(self, session: Session, since: datetime) -> None:
        wanted = select(*_ROW, _PRODUCTS.update_operations, _ARCHIVED).where(_PRODUCTS.updated_at >= since)
        rows, members_changed = dict(self.rows), False
        for changed in session.execute(wanted):
            product_id, updates, archived = changed[0], changed[-2], changed[-1]
            known = self._updates.get(product_id)
            self._update_count += updates - (known or 0)
            self._updates[product_id] = updates
            if archived:
                members_changed |= product_id not in self._archived
                self._archived.add(product_id)
            elif known is None or product_id in rows:
                members_changed |= known is None
                values = changed[:_WIDTH]
                # Most were read by the scrape before already: what is equal is not made again.
                if rows.get(product_id) != values:
                    rows[product_id] = ProductRow._make(values)
                    self.generation += 1
        self.rows = rows
        if members_changed:
            self._choose(session)

    def _choose(self, session: Session) -> None:
        """Export the lowest ids, and read those among them that were not exported before."""
        active = sorted(self._updates.keys() - self._archived)
        chosen = active[: self._cap]
        rows = dict(self.rows)
        missing = [product_id for product_id in chosen if product_id not in rows]
        if missing:
            between = _PRODUCTS.id.between(missing[0], missing[-1])
            for values in session.execute(select(*_ROW).where(between, ~_ARCHIVED)):
                rows[values[0]] = ProductRow._make(values)
        self.rows = {product_id: rows[product_id] for product_id in chosen if product_id in rows}
        self.not_exported = len(active) - len(self.rows)
        self.generation += 1

    def _count_low_stock(self, session: Session) -> None:
        # In the words of the partial index ix_products_low_stock, and with a bound that makes SQLite search it.
        low = ~_ARCHIVED & (_PRODUCTS.stock_level <= _PRODUCTS.min_stock_threshold)
        counts = select(func.count(), func.count().filter(_PRODUCTS.stock_level == 0))
        self.low_stock, self.out_of_stock = session.execute(counts.where(low, _PRODUCTS.stock_level >= 0)).one()
