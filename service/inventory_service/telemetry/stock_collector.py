"""The metrics of products, as the database has them at each scrape: the same numbers on every replica.

Without a database the scrape succeeds, and `inventory_stock_collector_up` is 0.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from sqlalchemy.exc import SQLAlchemyError

from inventory_service.db.faults import DatabaseUnavailable, Fault, describe
from inventory_service.telemetry.product_series import ProductSeries
from inventory_service.telemetry.stock_cache import StockCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from prometheus_client.metrics_core import Metric

    from inventory_service.db.database import Database

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stock:
    """What one scrape read; without figures if it could not read them."""

    #: None before the first scrape.
    database_up: bool | None
    seconds: float
    failure: str | None = None
    operations: Mapping[str, int] | None = None
    #: Single numbers over all products: name -> (what it is, number).
    totals: Mapping[str, tuple[str, int]] | None = None
    #: The samples of each family in `product_series.FAMILIES`.
    samples: Sequence[str] = ()

    def families(self) -> Iterator[Metric]:
        """Return everything but the products' own series."""
        operations = CounterMetricFamily(
            "product_operations", "Products created, updated and deleted, ever.", labels=["operation_type"]
        )
        for operation, count in (self.operations or {}).items():
            operations.add_metric([operation], count)
        yield operations
        for name, (documentation, number) in (self.totals or {}).items():
            yield GaugeMetricFamily(name, documentation, number)
        answered = GaugeMetricFamily("inventory_database_up", "1 if the database answered, else 0.", labels=[])
        if self.database_up is not None:
            answered.add_metric([], int(self.database_up))
        yield answered
        yield GaugeMetricFamily(
            "inventory_stock_collector_up",
            "1 if the stock could be read from the database, else 0.",
            int(self.failure is None),
        )
        yield GaugeMetricFamily(
            "inventory_stock_collector_duration_seconds",
            "Time it took to read the stock for this scrape.",
            self.seconds,
        )


class StockCollector:
    """Reads the stock for a scrape; not for two threads at once, but for `unread`."""

    def __init__(self, database: Database, cap: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._cache = StockCache(cap, clock)
        self._series = ProductSeries()
        self._samples: tuple[int, Sequence[str]] = (-1, ())
        self._up = True
        self._database_up: bool | None = None

    def read(self) -> Stock:
        """Return the stock as of now; changes that were committed before are in it."""
        started = time.perf_counter()
        stock = self._read(started)
        self._database_up = stock.database_up
        self._log_change(stock.failure)
        return stock

    def unread(self, seconds: float) -> Stock:
        """Return what a scrape says that waited in vain for so long until an earlier one has read.

        Whether the database answers is for that one to find out; until then the last answer holds.
        """
        return Stock(self._database_up, seconds, "an earlier scrape still reads")

    def _read(self, started: float) -> Stock:
        connected = False
        try:
            with self._database.reading() as session:
                # Where the database is out of reach, this is what fails.
                session.connection()
                connected = True
                self._cache.refresh(session)
        except SQLAlchemyError as error:
            # It may come back as another one, restored from a backup: nothing of what was read counts any more.
            self._cache.forget()
            fault = error.fault if isinstance(error, DatabaseUnavailable) else None
            # Without a place at the gate nothing was asked: the last answer holds.
            up = self._database_up if fault is Fault.BUSY else connected and fault is not Fault.UNREACHABLE
            return Stock(up, time.perf_counter() - started, describe(error))
        return self._stock(started)

    def _stock(self, started: float) -> Stock:
        cache = self._cache
        generation, samples = self._samples
        if generation != cache.generation:
            samples = self._series.render(cache.rows)
            self._samples = cache.generation, samples
        totals = {
            "inventory_products_low_stock": ("Products at or below their threshold.", cache.low_stock),
            "inventory_products_out_of_stock": ("Products without stock.", cache.out_of_stock),
            "inventory_products_not_exported": (
                "Products without series of their own: METRICS_MAX_PRODUCTS leaves out those with the highest ids.",
                cache.not_exported,
            ),
        }
        return Stock(
            database_up=True,
            seconds=time.perf_counter() - started,
            operations=cache.operations,
            totals=totals,
            samples=samples,
        )

    def _log_change(self, failure: str | None) -> None:
        if failure and self._up:
            _log.warning("stock metrics unavailable", reason=failure)
        elif not failure and not self._up:
            _log.info("stock metrics available again")
        self._up = failure is None
