"""The metrics of this process besides its requests: which build it is, and the result of its last audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from inventory_service.bootstrap import schema
from inventory_service.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry

    from inventory_service.context import LastAudit


class AuditCollector(Collector):
    """inventory_ledger_drift and its date; no samples before the first audit: unknown is not 0."""

    def __init__(self, audit: LastAudit) -> None:
        self._audit = audit

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return both gauges."""
        drift, finished = self._audit.drift, self._audit.finished_at
        yield GaugeMetricFamily(
            "inventory_ledger_drift",
            "Products whose stock is not the sum of their movements, by the last audit of this process.",
            drift,
        )
        yield GaugeMetricFamily(
            "inventory_ledger_audit_timestamp_seconds",
            "When the last audit of this process ended.",
            finished.timestamp() if finished else None,
        )

    describe = collect


def register(registry: CollectorRegistry, audit: LastAudit, database: str) -> None:
    """Add the facts to `registry`; `database` is "sqlite" or "postgresql"."""
    build = Gauge(
        "inventory_build_info",
        "Always 1; which version this is, which schema it wants, and what its database is.",
        ["version", "schema", "database"],
        registry=registry,
    )
    build.labels(VERSION, schema.newest(), database).set(1)
    registry.register(AuditCollector(audit))
