"""The tables of one run of the service's measurement, and which of its bars it met.

It only compares numbers and puts them into words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.command import Bar, bar_table, markdown
from bench.service.cost import LOGGED, NONE, OURS, PEER, ROUTES
from bench.service.load import CONNECTIONS, PRODUCTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.service.cost import Cost
    from bench.service.imports import Import
    from bench.service.load import Load
    from bench.service.scrape import Scrape

#: The route that the bars of the cost are about: a request that does something.
ASKED: Final = list(ROUTES)[-1]
MOST_COST: Final = 1.12
#: Of what the library takes for the same series in the same run.
MOST_OF_LIBRARY: Final = 0.25
#: The longest that a restock may wait beside an import, in ms, on a machine on which the library takes `LIBRARY_MS` for
#: the series of 10,000 products: the one of 2026-11-24, see bench/README.md. A slower machine may take longer.
MOST_WAIT_MS: Final = 1000.0
LIBRARY_MS: Final = 220.0
_MANY: Final = 10_000


@dataclass(slots=True)
class Result:
    """What was measured; empty where it was not asked for."""

    machine: str
    cost: Sequence[Cost] = ()
    load: Sequence[Load] = ()
    scrape: Sequence[Scrape] = ()
    imports: Sequence[Import] = ()

    @property
    def bars(self) -> list[Bar]:
        """What must hold of what was measured."""
        return [
            *_cost_bars(self.cost),
            *_load_bars(self.load),
            *_scrape_bars(self.scrape),
            *_import_bars(self.imports, _slowness(self.scrape)),
        ]


def table(result: Result) -> str:
    """Return the Markdown of one run."""
    parts = [[f"{result.machine}."]]
    if result.cost:
        parts.append(_cost_table(result.cost))
    if result.load:
        parts.append(_load_table(result.load))
    if result.scrape:
        parts.append(_scrape_table(result.scrape))
    if result.imports:
        parts.append(_import_table(result.imports))
    parts.append(bar_table(result.bars))
    return "\n\n".join("\n".join(part) for part in parts)


def _cost_bars(costs: Sequence[Cost]) -> Iterable[Bar]:
    found = {cost.variant: cost for cost in costs if cost.route == ASKED}
    if found:
        ours, peer = found[OURS], found[PEER]
        yield Bar(
            f"instrumentation of {ASKED}, CPU", _x(ours.ratio), f"<= {MOST_COST}x of none", ours.ratio <= MOST_COST
        )
        yield Bar(f"the same, beside {PEER}", _x(ours.ratio), f"< {_x(peer.ratio)}", ours.ratio < peer.ratio)


def _load_bars(loads: Sequence[Load]) -> Iterable[Bar]:
    if loads:
        failed = sum(load.failed for load in loads)
        yield Bar("failed requests under load", str(failed), "0", not failed)


def _scrape_bars(scrapes: Sequence[Scrape]) -> Iterable[Bar]:
    for scrape in scrapes:
        if scrape.products == _MANY:
            for what, found in (("one change", scrape.steady_ms), ("every product changed", scrape.burst_ms)):
                name = f"/metrics, {_MANY:,} products, {what}, {scrape.database}"
                share = found / scrape.library_ms
                yield Bar(name, _x(share), f"<= {MOST_OF_LIBRARY}x of the library", share <= MOST_OF_LIBRARY)


def _slowness(scrapes: Sequence[Scrape]) -> float:
    """Return how many times slower this machine is than that of the bars, at least 1; 1 where that was not measured."""
    return max([1.0, *[scrape.library_ms / LIBRARY_MS for scrape in scrapes if scrape.products == _MANY]])


def _import_bars(imports: Sequence[Import], slowness: float) -> Iterable[Bar]:
    most = MOST_WAIT_MS * slowness
    for database in dict.fromkeys(each.database for each in imports):
        found = [each for each in imports if each.database == database]
        longest, failed = max(each.longest_ms for each in found), sum(each.failed for each in found)
        name = f"longest wait of a restock beside an import of 20,000 rows, {database}"
        bar = f"< {most:.0f} ms" + (f": {MOST_WAIT_MS:.0f} x {slowness:.1f}" if slowness > 1 else "")
        yield Bar(name, f"{longest:.0f} ms", bar, longest < most and not failed)


def _cost_table(costs: Sequence[Cost]) -> list[str]:
    rows = []
    for variant in (NONE, OURS, PEER, LOGGED):
        found = [next(cost for cost in costs if (cost.route, cost.variant) == (route, variant)) for route in ROUTES]
        rows.append((variant, *[text for cost in found for text in (f"{cost.microseconds:.0f}", _x(cost.ratio))]))
    return markdown(("CPU time of a request, µs", *[text for route in ROUTES for text in (route, "ratio")]), rows)


def _load_table(loads: Sequence[Load]) -> list[str]:
    databases = list(dict.fromkeys(load.database for load in loads))
    rows = []
    for route in dict.fromkeys(load.route for load in loads):
        found = [next(load for load in loads if (load.route, load.database) == (route, each)) for each in databases]
        cells = [
            text for load in found for text in (f"{load.per_second:,.0f}", f"{load.median_ms:.0f} / {load.p99_ms:.0f}")
        ]
        rows.append((route, *cells, _x(found[-1].per_second / found[0].per_second)))
    heads = [text for each in databases for text in (f"{each}, 1/s", "p50 / p99, ms")]
    title = f"{CONNECTIONS} connections, {PRODUCTS:,} products"
    return markdown((title, *heads, f"{databases[-1]} : {databases[0]}"), rows)


def _scrape_table(scrapes: Sequence[Scrape]) -> list[str]:
    heads = ("first", "one change", "longest", "all changed", "library alone", "all changed : library")
    rows = []
    for scrape in scrapes:
        times = (scrape.first_ms, scrape.steady_ms, scrape.longest_ms, scrape.burst_ms, scrape.library_ms)
        size = (f"{scrape.series:,}", f"{scrape.megabytes:.2f}")
        name = f"{scrape.database}, {scrape.products:,} products"
        rows.append((name, *size, *[f"{number:.1f}" for number in times], _x(scrape.burst_ms / scrape.library_ms)))
    return markdown(("/metrics, ms", "series", "MB", *heads), rows)


def _import_table(imports: Sequence[Import]) -> list[str]:
    rows = [
        (f"{each.database}, {each.what}", f"{each.seconds:.1f}", f"{each.longest_ms:.0f}", str(each.failed))
        for each in imports
    ]
    return markdown(("an import of 20,000 rows", "s", "longest restock beside it, ms", "failed restocks"), rows)


def _x(ratio: float) -> str:
    return f"{ratio:.2f}x"
