"""How long the queries of every panel take over a long history, asked as Grafana asks.

It never counts a panel's queries as one: Grafana asks each, and people wait for the slowest.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.monitoring.history import History, boards, fill, shown
from bench.monitoring.lab import wait_until
from bench.monitoring.series import rule_groups
from bench.monitoring.stack import running_stack

from dashboards.preview import asking, variables
from dashboards.preview.client import Client
from devcluster import traffic
from inventory_operator.verification.panel_times import Window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bench.monitoring.lab import Prometheus
    from bench.monitoring.series import Group

PRODUCTS: Final = 20
#: Points of a graph as wide as a screen.
POINTS: Final = 1000
_SCRAPE: Final = 10.0
#: All rule groups but forecasts are evaluated at least once a minute.
_RULE_SECONDS: Final = 75
_SETTLED_SECONDS: Final = 8


@dataclass(frozen=True, slots=True)
class Timed:
    """One query of a panel: CPU seconds of Prometheus, and seconds that a person waited; medians."""

    dashboard: str
    panel: str
    ref: str
    series: int
    cpu: float
    waited: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Queries:
    """What was asked of how much history, and the rules over it."""

    history: History
    #: After compaction.
    blocks: int
    #: Of all samples, with their index, on disk.
    bytes_per_sample: float
    memory_mb: float
    timed: Sequence[Timed]
    groups: Mapping[str, Group]


def measure(folder: Path, hours: int, step: int, repeats: int) -> Queries:
    """Fill in a history, let Prometheus compact it, and ask every query of every panel."""
    young = folder / "young"
    with running_stack(young, PRODUCTS, 1, interval="1s") as (prometheus, server):
        traffic.send(server.url, 25)
        series = shown(prometheus)
    old = folder / "old"
    old.mkdir()
    history = fill(old, series, hours, step)
    with running_stack(old, PRODUCTS, 1, interval="10s") as (prometheus, _):
        began = time.monotonic()
        _await_compaction(prometheus)
        wait_until(lambda: time.monotonic() - began > _RULE_SECONDS, "each rule group to be evaluated")
        timed = ask(prometheus, hours, repeats)
        files = [*(old / "data").glob("*/chunks/*"), *(old / "data").glob("*/index")]
        size = sum(file.stat().st_size for file in files)
        blocks = len(list((old / "data").glob("*/index")))
        return Queries(history, blocks, size / history.samples, prometheus.memory(), timed, rule_groups(prometheus))


def _await_compaction(prometheus: Prometheus) -> None:
    """Return when Prometheus has put the small blocks together, as it does while it runs for days."""
    wait_until(lambda: prometheus.own("prometheus_tsdb_compactions_triggered_total") > 0, "a look at the blocks")
    seen = -1.0
    while (now := prometheus.own("prometheus_tsdb_compactions_total")) != seen:
        seen = now
        time.sleep(_SETTLED_SECONDS)


def ask(prometheus: Prometheus, hours: int, repeats: int) -> list[Timed]:
    """Return the times of all queries of all dashboards over the last `hours`."""

    def cpu() -> float:
        return float(sum(prometheus.process.cpu_times()[:2]))

    client = Client(prometheus.url)
    try:
        now = client.now()
        window = Window(now - hours * 3600, now, _SCRAPE)
        found = []
        for board in boards():
            scope = variables.resolve(board.variables, window, client)
            runs = [
                (asking.ask(board, scope, client, POINTS, cpu), asking.ask(board, scope, client, POINTS))
                for _ in range(repeats)
            ]
            for panel in range(len(board.panels)):
                found += _timed(board.name, [(worked[panel], waited[panel]) for worked, waited in runs])
        return found
    finally:
        client.close()


def _timed(board: str, runs: Sequence[tuple[asking.Answer, asking.Answer]]) -> list[Timed]:
    """Return the times of one panel's queries from all runs."""
    result = []
    for number, query in enumerate(runs[0][0].asked):
        cpu, waited = (statistics.median(run[kind].asked[number].seconds for run in runs) for kind in (0, 1))
        result.append(Timed(board, runs[0][0].title, query.ref, query.series, cpu, waited, query.error))
    return result
