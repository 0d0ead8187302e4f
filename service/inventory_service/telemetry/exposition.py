"""The text of /metrics: what the registry holds, and the products' series beside it.

It never takes from the Accept header more than the choice between two formats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import exposition as text
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from inventory_service.telemetry import product_series

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

    from inventory_service.telemetry.stock_collector import Stock, StockCollector

_TEXT: Final = "text/plain"
_OPENMETRICS: Final = "application/openmetrics-text"
_EOF: Final = b"# EOF\n"


class Exposition:
    """All metrics of one application."""

    def __init__(self, registry: CollectorRegistry, stock: StockCollector) -> None:
        self._registry = registry
        self._stock = stock

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return the exposition in the format that the Accept header asks for, and its content type."""
        stock = self._stock.read()
        everything = _Everything(self._registry, stock)
        if _preferred(accept) == _TEXT:
            body = text.generate_latest(everything) + _products(stock, openmetrics=False)
            return body, text.CONTENT_TYPE_PLAIN_0_0_4
        # Our names need no escaping; said so, they are not looked at letter by letter.
        body = openmetrics.generate_latest(everything, escaping=openmetrics.ALLOWUTF8)  # type: ignore[no-untyped-call]
        return body.removesuffix(_EOF) + _products(stock, openmetrics=True) + _EOF, openmetrics.CONTENT_TYPE_LATEST


class _Everything(Collector):
    """The registry, and what this scrape read of the stock: a second scrape at the same time has its own."""

    def __init__(self, registry: CollectorRegistry, stock: Stock) -> None:
        self._registry = registry
        self._stock = stock

    def collect(self) -> Iterator[Metric]:
        """Return all families but those of the products."""
        yield from self._registry.collect()
        yield from self._stock.families()


def _products(stock: Stock, *, openmetrics: bool) -> bytes:
    return product_series.exposition(stock.samples, openmetrics=openmetrics).encode()


def _preferred(accept: str) -> str:
    """Return the first of our two formats that is named: Prometheus names them in its order of preference."""
    named = (part.partition(";")[0].strip().lower() for part in accept.split(","))
    return next((each for each in named if each in {_TEXT, _OPENMETRICS}), _TEXT)
