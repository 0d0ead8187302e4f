"""The metrics of requests: counted and timed by route template, method and status, and by nothing a client can invent.

It never sees a raw path as a label: an unknown path or method makes no new series.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

if TYPE_CHECKING:
    from collections.abc import Iterable

UNMATCHED: Final = "<unmatched>"
OTHER: Final = "OTHER"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})

_STATUSES: Final = frozenset(HTTPStatus)
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0)


class RequestMetrics:
    """http_requests_total, http_request_duration_seconds and http_requests_in_flight."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "http_requests_total",
            "Requests answered, by method, route template and status.",
            ["method", "endpoint", "status"],
            registry=registry,
        )
        self._durations = Histogram(
            "http_request_duration_seconds",
            "Time from the first byte of a request to its answer, by method and route template.",
            ["method", "endpoint"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "http_requests_in_flight", "Requests being answered now, this scrape among them.", registry=registry
        )
        # labels() validates and locks; the children are looked up here instead. Bounded, because the labels are.
        self._children: dict[tuple[str, str | None, int], tuple[Counter, Histogram]] = {}

    def expect(self, method: str, endpoint: str | None, statuses: Iterable[int]) -> None:
        """Let the series exist at 0: `increase()` can't see the first event of a series that starts with it."""
        for status in statuses:
            self._add(method, endpoint, status)

    def observe(self, method: str, endpoint: str | None, status: int, seconds: float, request_id: str) -> None:
        """Count and time one request; `endpoint` is its route template, None if it matched no route.

        The last request of each bucket is its exemplar, which only OpenMetrics shows.
        """
        if method not in METHODS:
            method = OTHER
        counter, histogram = self._children.get((method, endpoint, status)) or self._add(method, endpoint, status)
        counter.inc()
        histogram.observe(seconds, {"request_id": request_id})

    def _add(self, method: str, endpoint: str | None, status: int) -> tuple[Counter, Histogram]:
        route = endpoint or UNMATCHED
        counter = self._requests.labels(method, route, str(status) if status in _STATUSES else OTHER)
        children = counter, self._durations.labels(method, route)
        if status in _STATUSES:
            self._children[method, endpoint, status] = children
        return children


def new_registry() -> CollectorRegistry:
    """Return a registry with the figures of the process; a registry per application, never the global one."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry
