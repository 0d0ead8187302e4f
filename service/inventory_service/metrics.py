"""The metrics of requests: counted and timed by route template, method and status, and by nothing a client can invent.

It never sees a raw path as a label: an unknown path or method makes no new series.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics

if TYPE_CHECKING:
    from collections.abc import Iterable

UNMATCHED: Final = "<unmatched>"
OTHER: Final = "OTHER"

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0)


class RequestMetrics:
    """http_requests_total and http_request_duration_seconds."""

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
        # labels() validates and locks; the children are looked up here instead. Bounded, because the labels are.
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._histograms: dict[tuple[str, str], Histogram] = {}

    def expect(self, method: str, endpoint: str, statuses: Iterable[int]) -> None:
        """Let the series exist at 0: `increase()` can't see the first event of a series that starts with it."""
        for status in statuses:
            self._counter(method, endpoint, status)
        self._histogram(method, endpoint)

    def observe(self, method: str, endpoint: str | None, status: int, seconds: float) -> None:
        """Count and time one request; `endpoint` is its route template, None if it matched no route."""
        method = method if method in _METHODS else OTHER
        endpoint = endpoint or UNMATCHED
        self._counter(method, endpoint, status).inc()
        self._histogram(method, endpoint).observe(seconds)

    def _counter(self, method: str, endpoint: str, status: int) -> Counter:
        key = (method, endpoint, status)
        if key not in self._counters:
            self._counters[key] = self._requests.labels(method, endpoint, str(status))
        return self._counters[key]

    def _histogram(self, method: str, endpoint: str) -> Histogram:
        key = (method, endpoint)
        if key not in self._histograms:
            self._histograms[key] = self._durations.labels(method, endpoint)
        return self._histograms[key]


def new_registry() -> CollectorRegistry:
    """Return a registry with the figures of the process; a registry per application, never the global one."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry
