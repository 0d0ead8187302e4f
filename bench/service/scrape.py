"""How long /metrics takes with many products, over HTTP from the real server, beside the library's own encoder.

It never counts a scrape that has not what was written before it.
"""

from __future__ import annotations

import http.client
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.service.stock import DATABASES, fill, touch_all
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector, CollectorRegistry
from tests.framework.server import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from prometheus_client.metrics_core import Metric
    from tests.framework.server import Server

SIZES: Final = (100, 1_000, 10_000)


@dataclass(frozen=True, slots=True)
class Scrape:
    """Milliseconds of a scrape at a number of products."""

    database: str
    products: int
    series: int
    megabytes: float
    #: Nothing is known yet: everything is read and rendered.
    first_ms: float
    #: One product was changed since the scrape before: the median and the longest.
    steady_ms: float
    longest_ms: float
    #: Every product was changed in the minute before.
    burst_ms: float
    #: The same series by the library alone, without a database and a server: CPU time.
    library_ms: float


def measure(folder: Path, new: Callable[[str], str], scrapes: int) -> Sequence[Scrape]:
    """Return the scrapes of each size on each database."""
    return [_measure(folder, database, new(database), size, scrapes) for database in DATABASES for size in SIZES]


def _measure(folder: Path, database: str, url: str, size: int, scrapes: int) -> Scrape:
    fill(url, size)
    with serving(folder / f"scrape-{database}-{size}.log", DATABASE_URL=url, AUDIT_SECONDS="0") as server:
        first, text = _timed(server)
        steady = []
        for number in range(1, scrapes + 1):
            level = _restock(server, number % 9 + 1)
            milliseconds, text = _timed(server)
            assert f'product_name="Product number {number % 9 + 1}",sku="SKU-{number % 9 + 1}"}} {level}.0\n' in text
            steady.append(milliseconds)
        touch_all(url)
        burst = [_timed(server)[0] for _ in range(scrapes // 2)]
    return Scrape(
        database,
        size,
        series=sum(not line.startswith("#") for line in text.splitlines()),
        megabytes=len(text.encode()) / 1e6,
        first_ms=first,
        steady_ms=statistics.median(steady),
        longest_ms=max(steady),
        burst_ms=statistics.median(burst),
        library_ms=_library(text),
    )


def _timed(server: Server) -> tuple[float, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    began = time.perf_counter()
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    body = answer.read()
    milliseconds = (time.perf_counter() - began) * 1000
    connection.close()
    assert answer.status == http.client.OK
    return milliseconds, body.decode()


def _restock(server: Server, product: int) -> int:
    """Change one product; return its new stock."""
    import requests

    answer = requests.post(f"{server.url}/api/products/{product}/restock", json={"quantity": 1}, timeout=20)
    answer.raise_for_status()
    return int(answer.json()["product"]["stock_level"])


class _Read(Collector):
    """Families as a collector of the usual kind makes them at each scrape: a sample object for every series."""

    def __init__(self, text: str) -> None:
        self._families = [
            (
                family.type,
                family.name,
                [(list(sample.labels), list(sample.labels.values()), sample.value) for sample in family.samples],
            )
            for family in text_string_to_metric_families(text)
            if family.samples and "product_id" in family.samples[0].labels
        ]

    def collect(self) -> Iterator[Metric]:
        """Return the product families."""
        for kind, name, samples in self._families:
            make = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
            family = make(name, "The same.", labels=samples[0][0])
            for _, labels, number in samples:
                family.add_metric(labels, number)
            yield family


def _library(text: str) -> float:
    registry = CollectorRegistry()
    registry.register(_Read(text))
    times = []
    for _ in range(5):
        began = time.thread_time()
        generate_latest(registry)
        times.append((time.thread_time() - began) * 1000)
    return statistics.median(times)
