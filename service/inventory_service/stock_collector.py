"""The metrics of products, read from the database at each scrape: the same numbers on every replica.

It never makes a scrape fail: without a database it says so in `inventory_stock_collector_up`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from inventory_service.database import describe_unavailable
from inventory_service.models import Product

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prometheus_client.metrics_core import Metric
    from sqlalchemy.orm import Session

    from inventory_service.database import Database

_log = structlog.get_logger(__name__)


class StockCollector(Collector):
    """One read-only transaction for each scrape."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._up = True

    def describe(self) -> Iterable[Metric]:
        """Return the families without samples: registering must not ask the database."""
        return [*_families(), _up_family()]

    def collect(self) -> Iterator[Metric]:
        """Return the families with what the database says, or without samples if it doesn't answer."""
        families, failure = _families(), None
        try:
            with self._database.reading() as session:
                _fill(families, session)
        except SQLAlchemyError as error:
            families, failure = _families(), describe_unavailable(error)
        self._log_change(failure)
        up = _up_family()
        up.add_metric([], 0 if failure else 1)
        yield from families
        yield up

    def _log_change(self, failure: str | None) -> None:
        if failure and self._up:
            _log.warning("stock metrics unavailable", reason=failure)
        elif not failure and not self._up:
            _log.info("stock metrics available again")
        self._up = failure is None


def _families() -> Sequence[GaugeMetricFamily | CounterMetricFamily]:
    product = ["product_id", "product_name"]
    return (
        GaugeMetricFamily("product_stock_level", "Stock on hand of a product.", labels=[*product, "sku"]),
        CounterMetricFamily(
            "low_stock_alerts", "Times the stock of a product fell to its threshold or below.", labels=product
        ),
        CounterMetricFamily("restock_operations", "Restocks of a product.", labels=product),
        CounterMetricFamily(
            "product_operations", "Products created, updated and deleted, ever.", labels=["operation_type"]
        ),
    )


def _up_family() -> GaugeMetricFamily:
    return GaugeMetricFamily("inventory_stock_collector_up", "1 if the stock could be read from the database, else 0.")


def _fill(families: Sequence[GaugeMetricFamily | CounterMetricFamily], session: Session) -> None:
    stock, alerts, restocks, operations = families
    columns = (Product.id, Product.name, Product.sku, Product.stock_level)
    counters = (Product.low_stock_alerts, Product.restock_operations)
    active = select(*columns, *counters).where(Product.archived_at.is_(None)).order_by(Product.id)
    for product_id, name, sku, level, alert_count, restock_count in session.execute(active):
        labels = [str(product_id), name]
        stock.add_metric([*labels, sku], level)
        alerts.add_metric(labels, alert_count)
        restocks.add_metric(labels, restock_count)
    created, updated, deleted = session.execute(
        select(
            func.count(),
            func.coalesce(func.sum(Product.update_operations), 0),
            func.count(Product.archived_at),
        )
    ).one()
    for operation, count in (("create", created), ("update", updated), ("delete", deleted)):
        operations.add_metric([operation], float(count))
