"""The check BusinessMetrics: the stock levels that Prometheus has are those of the service.

Stock moves: a product is only judged while the service has shown the same number for longer than a scrape takes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inventory_operator.api.quantities import duration_seconds
from inventory_operator.components.pod_http import OK
from inventory_operator.kube.pods import is_ready
from inventory_operator.verification import prometheus
from inventory_operator.verification.answer import Answer, Outcome
from inventory_operator.verification.ask import UnansweredError
from inventory_operator.verification.exposition import stock_levels
from inventory_operator.verification.metrics_exposed import PATH, PORT, whole_lines
from inventory_operator.verification.prometheus import NoAnswerError
from inventory_operator.verification.targets import JOB

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inventory_operator.verification.ask import Ask
    from inventory_operator.verification.subject import Subject

CHECK = "BusinessMetrics"
METRIC = "product_stock_level"
#: Products that are compared: the first at /metrics.
_PRODUCTS = 20
#: Scrape intervals, and seconds for a slow scrape besides, after which Prometheus has a number.
_INTERVALS, _SCRAPE_SECONDS = 2, 15


@dataclass(slots=True)
class Stock:
    """What the service showed: by product its stock, and since when it is that (seconds that only ever grow)."""

    levels: dict[str, tuple[float, float]] = field(default_factory=dict)
    #: The pod that showed it.
    pod: str = ""

    def see(self, pod: str, levels: Mapping[str, float], now: float) -> None:
        """Take in what a pod shows now; what another one showed, Prometheus had from that one."""
        before = self.levels if pod == self.pod else {}
        self.pod = pod
        self.levels = {
            product: before[product] if product in before and before[product][0] == level else (level, now)
            for product, level in levels.items()
        }


async def check(subject: Subject, ask: Ask, stock: Stock, now: float) -> Answer:
    """Compare what a pod of the service shows with what Prometheus has."""
    shown = await _shown(subject, ask)
    if isinstance(shown, Answer):
        # What nobody showed for a while, Prometheus has to scrape anew, too.
        stock.levels.clear()
        return shown
    name, levels = shown
    stock.see(name, levels, now)
    if not stock.levels:
        words = f"{name} shows no product: there is none, or its database does not answer"
        return Answer(CHECK, Outcome.SKIPPED, "NoProducts", words)
    try:
        found = await _collected(subject, ask, list(stock.levels))
    except NoAnswerError as error:
        return error.answer(CHECK)
    return _judged(stock, found, name, now - _scrape_seconds(subject))


async def _shown(subject: Subject, ask: Ask) -> tuple[str, dict[str, float]] | Answer:
    """Return which pod shows which stock by product; or the answer of the check where none does."""
    pods = sorted(filter(is_ready, subject.pods("service")), key=lambda pod: str(pod["metadata"]["name"]))
    if not pods:
        return Answer(CHECK, Outcome.UNKNOWN, "PodsNotReady", "no pod of the service is ready: see ServiceAvailable")
    name = f"pod {pods[0]['metadata']['name']}"
    try:
        page = await ask(pods[0], PORT, PATH)
    except UnansweredError as error:
        return Answer(CHECK, Outcome.UNKNOWN, "NotAnswered", f"{name} {error} at port {PORT}: see MetricsExposed")
    if page.status != OK:
        words = f"{name} answers {PATH} with {page.status}: see MetricsExposed"
        return Answer(CHECK, Outcome.UNKNOWN, "NotAnswered", words)
    return name, stock_levels(whole_lines(page), _PRODUCTS)


async def _collected(subject: Subject, ask: Ask, products: list[str]) -> dict[str, float]:
    """Return the stock that Prometheus has by product."""
    wanted = f'{METRIC}{{job="{JOB}", product_id=~"{"|".join(products)}"}}'
    series = await prometheus.query(subject, ask, f"max by (product_id) ({wanted})", _PRODUCTS)
    return {labels.get("product_id", ""): value for labels, value in series}


def _scrape_seconds(subject: Subject) -> float:
    return _INTERVALS * duration_seconds(subject.spec.prometheus.scrape_interval) + _SCRAPE_SECONDS


def _judged(stock: Stock, found: Mapping[str, float], name: str, before: float) -> Answer:
    """Return the answer; a product that changed after `before` may differ."""
    for product, (level, since) in sorted(stock.levels.items()):
        if found.get(product) == level or since > before:
            continue
        if product not in found:
            words = f"Prometheus has no {METRIC} of product {product}, which {name} shows: see ServiceScraped"
            return Answer(CHECK, Outcome.FAILED, "StockMissing", words)
        words = f"{METRIC} of product {product} is another in Prometheus than {name} shows: see who else exports it"
        return Answer(CHECK, Outcome.FAILED, "StockDiffers", words)
    return Answer(CHECK, Outcome.PASSED, "StockAgrees", "the stock levels in Prometheus are those of the service")
