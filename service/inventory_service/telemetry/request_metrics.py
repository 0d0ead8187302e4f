"""The metrics of requests: counted and timed by route template, method and status.

Unknown paths and methods share one label value each, so that clients can't create series.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, Exemplar, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prometheus_client.metrics_core import Metric

UNMATCHED: Final = "<unmatched>"
OTHER: Final = "OTHER"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})

_STATUSES: Final = frozenset(int(status) for status in HTTPStatus)
_NO_STATUS: Final = 0
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0)
_BOUNDS: Final = [*map(floatToGoString, _BUCKETS), "+Inf"]


class _LastRequest(NamedTuple):
    """The last request of a bucket: what its exemplar shows."""

    request_id: str
    seconds: float
    at: float


@dataclass(slots=True)
class _Route:
    """The requests of one method at one route."""

    seconds: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)
    buckets: list[int] = field(default_factory=lambda: [0] * len(_BOUNDS))
    last: list[_LastRequest | None] = field(default_factory=lambda: [None] * len(_BOUNDS))


class RequestMetrics(Collector):
    """http_requests_total, http_request_duration_seconds and http_requests_in_flight.

    Plain numbers under one lock: the library's own counters and histograms take a lock for each number, and cost more
    than all the rest that is done around a request.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lock = threading.Lock()
        self._in_flight = 0
        self._routes: dict[tuple[str, str], _Route] = {}
        registry.register(self)

    def expect(self, method: str, endpoint: str, statuses: Iterable[int]) -> None:
        """Let the series exist at 0: `increase()` can't see the first event of a series that starts with it."""
        route = self._routes.setdefault((method, endpoint), _Route())
        for status in statuses:
            route.statuses.setdefault(status, 0)

    def begin(self) -> None:
        """Count a request as in flight, until `end`."""
        with self._lock:
            self._in_flight += 1

    def end(self) -> None:
        """Count a request as in flight no more."""
        with self._lock:
            self._in_flight -= 1

    def observe(self, method: str, endpoint: str | None, status: int, seconds: float, request_id: str) -> None:
        """Count and time one request; `endpoint` is its route template, None if it matched no route."""
        key = (method if method in METHODS else OTHER, endpoint or UNMATCHED)
        if status not in _STATUSES:
            status = _NO_STATUS
        bucket = bisect_left(_BUCKETS, seconds)
        last = _LastRequest(request_id, seconds, time.time())
        with self._lock:
            route = self._routes.get(key)
            if route is None:
                route = self._routes[key] = _Route()
            route.statuses[status] = route.statuses.get(status, 0) + 1
            route.seconds += seconds
            route.buckets[bucket] += 1
            route.last[bucket] = last

    def describe(self) -> Sequence[Metric]:
        """Return the families without samples."""
        return _families()

    def collect(self) -> Iterator[Metric]:
        """Return the families; the last request of each bucket is its exemplar, which only OpenMetrics shows."""
        requests, durations, in_flight = families = _families()
        with self._lock:
            in_flight.add_metric([], self._in_flight)
            for (method, endpoint), route in self._routes.items():
                for status, count in route.statuses.items():
                    requests.add_metric([method, endpoint, OTHER if status == _NO_STATUS else str(status)], count)
                durations.add_metric([method, endpoint], _buckets(route), route.seconds)
        yield from families


def _families() -> tuple[CounterMetricFamily, HistogramMetricFamily, GaugeMetricFamily]:
    labels = ["method", "endpoint"]
    return (
        CounterMetricFamily(
            "http_requests", "Requests answered, by method, route template and status.", labels=[*labels, "status"]
        ),
        HistogramMetricFamily(
            "http_request_duration_seconds",
            "Time from the first byte of a request to its answer, by method and route template.",
            labels=labels,
        ),
        GaugeMetricFamily("http_requests_in_flight", "Requests being answered now, this scrape among them.", labels=[]),
    )


def _buckets(route: _Route) -> Sequence[tuple[str, float] | tuple[str, float, Exemplar]]:
    """Return (upper bound, requests up to it) of each bucket, with its exemplar where there is one."""
    return [
        (bound, count, Exemplar({"request_id": last.request_id}, last.seconds, last.at)) if last else (bound, count)
        for bound, count, last in zip(_BOUNDS, accumulate(route.buckets), route.last, strict=True)
    ]


def new_registry() -> CollectorRegistry:
    """Return a registry with the figures of the process; each application has one of its own."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry
