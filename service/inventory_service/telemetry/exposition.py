"""The text of /metrics: what the registry holds, and the products' series beside it.

The Accept header chooses between the Prometheus text format and OpenMetrics.
"""

from __future__ import annotations

import threading
import time
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
_CONTENT_TYPES: Final = {_TEXT: text.CONTENT_TYPE_PLAIN_0_0_4, _OPENMETRICS: openmetrics.CONTENT_TYPE_LATEST}
_EOF: Final = b"# EOF\n"
#: A scrape waits no longer than this for the one before it: else the scrapes of a database that hangs would take all
#: threads of the server, one by one.
_PATIENCE_SECONDS: Final = 5.0


class Exposition:
    """All metrics of one application, rendered for one scrape at a time.

    Those that wait share what is rendered next: a hundred scrapes at once cost little more than two.
    """

    def __init__(self, registry: CollectorRegistry, stock: StockCollector, patience: float = _PATIENCE_SECONDS) -> None:
        self._registry = registry
        self._stock = stock
        self._patience = patience
        #: Held by the scrape that renders.
        self.rendering = threading.Lock()
        #: The threads that wait for it.
        self.waiting: set[int] = set()
        #: By format: when it was begun, and what came of it; kept while somebody waits who may share it.
        self._latest: dict[str, tuple[float, bytes]] = {}

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return the exposition in the format that the Accept header asks for, and its content type.

        Whatever was committed before is in it.
        """
        form = _preferred(accept)
        return self._body(form), _CONTENT_TYPES[form]

    def _body(self, form: str) -> bytes:
        arrived, me = time.monotonic(), threading.get_ident()
        self.waiting.add(me)
        in_time = self.rendering.acquire(timeout=self._patience)
        self.waiting.discard(me)
        if not in_time:
            return self._rendered(form, self._stock.unread(time.monotonic() - arrived))
        try:
            began, body = self._latest.get(form, (0.0, b""))
            if began < arrived:
                began = time.monotonic()
                body = self._rendered(form, self._stock.read())
            self._latest = self._latest | {form: (began, body)} if self.waiting else {}
            return body
        finally:
            self.rendering.release()

    def _rendered(self, form: str, stock: Stock) -> bytes:
        everything = _Everything(self._registry, stock)
        if form == _TEXT:
            return text.generate_latest(everything) + _products(stock, openmetrics=False)
        # Our names need no escaping; said so, they are not looked at letter by letter.
        body = openmetrics.generate_latest(everything, escaping=openmetrics.ALLOWUTF8)  # type: ignore[no-untyped-call]
        return body.removesuffix(_EOF) + _products(stock, openmetrics=True) + _EOF  # type: ignore[no-any-return]


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
    return next((each for each in named if each in _CONTENT_TYPES), _TEXT)
