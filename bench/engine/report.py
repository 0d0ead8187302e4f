"""The tables of one run of the engine's measurement.

It only puts numbers into words.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.command import Bar, markdown

if TYPE_CHECKING:
    from bench.engine.speed import Burst, Rounds
    from bench.engine.upkeep import Repair, Upkeep


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that one run measured; the first of `speed` is with the ConfigMap as it is."""

    machine: str
    stacks: int
    speed: list[Rounds]
    upkeep: Upkeep

    @property
    def bars(self) -> list[Bar]:
        """What must hold of what was measured."""
        return [one.bar for one in _figures(self)]


@dataclass(frozen=True, slots=True)
class _Figure:
    """One number and its bar: at most, or at least; a bar of 0 is met by nothing else."""

    what: str
    found: float
    limit: float
    least: bool = False

    @property
    def bar(self) -> Bar:
        met = self.found >= self.limit if self.least else self.found <= self.limit
        sign = ">= " if self.least else "<= " if self.limit else ""
        return Bar(self.what, _n(self.found), sign + _n(self.limit), met)

    @property
    def ratio(self) -> str:
        """Return the found number as a share of its bar."""
        return f"{self.found / self.limit:.2f}x" if self.limit else ""


def _figures(result: Result) -> list[_Figure]:
    now, upkeep = result.speed[0], result.upkeep
    writes = statistics.median(sum(burst.writes.values()) / burst.children for burst in now.operator)
    idle = upkeep.idle.seconds / 60
    return [
        _Figure("speed, of a bare client's", _median(now.operator) / _median(now.bare), 0.7, least=True),
        _Figure("writes per child, all included", writes, 1.1),
        _Figure("repair of drift, median, ms", statistics.median(one.audit for one in upkeep.repairs), 25),
        _Figure("writes after a restart", upkeep.restart.writes, 0),
        _Figure("restart until in step, s", upkeep.restart.seconds, 5),
        _Figure("memory after a restart, MB", upkeep.restart.memory, 150),
        _Figure("writes while idle", upkeep.idle.writes, 0),
        _Figure("CPU seconds per idle minute", upkeep.idle.cpu / idle, 0.3),
    ]


def table(result: Result) -> str:
    """Return the Markdown of one run."""
    rows = [(one.bar.what, one.bar.found, one.bar.bar, one.ratio, one.bar.verdict) for one in _figures(result)]
    bars = markdown((f"with {result.stacks} stacks", "found", "bar", "found : bar", ""), rows)
    heads = ("children made per second, by round", "operator", "bare client", "operator : bare, medians")
    return "\n".join([f"{result.machine}.", "", *bars, "", *markdown(heads, _speeds(result)), "", *_details(result)])


def _speeds(result: Result) -> list[tuple[str, str, str, str]]:
    return [
        (
            f"Grafana's ConfigMap of {one.config_map / 1000:.0f} kB",
            " / ".join(_n(burst.speed) for burst in one.operator),
            " / ".join(_n(burst.speed) for burst in one.bare),
            f"{_median(one.operator) / _median(one.bare):.2f}x",
        )
        for one in result.speed
    ]


def _details(result: Result) -> list[str]:
    made, upkeep = result.speed[0].operator[-1], result.upkeep
    quiet = sum(count for sort, count in made.writes.items() if sort != "event")
    by_sort = ", ".join(f"{count} for {sort}" for sort, count in sorted(made.writes.items()))
    lines = [
        (
            f"- {result.stacks} stacks of `spec: {{}}`, {made.children} children, "
            f"made in {made.seconds:.1f} s from the user's first request to the last child and status."
        ),
        (
            f"- {sum(made.writes.values())} writes: {by_sort}; {made.refused} of them refused by the API server. "
            f"Without Events: {quiet / made.children:.2f} per child."
        ),
        f"- peak of memory in the restart: {upkeep.restart.peak:.0f} MB.",
        f"- idle for {upkeep.idle.seconds / 60:.1f} minutes: {upkeep.idle.cpu:.2f} CPU s.",
    ]
    for sort in ("delete", "edit"):
        found = [repair for repair in upkeep.repairs if repair.sort == sort]
        lines.append(f"- {len(found)} x {sort} a Service: {_spread(found)}.")
    return lines


def _median(bursts: list[Burst]) -> float:
    return statistics.median(burst.speed for burst in bursts)


def _spread(repairs: list[Repair]) -> str:
    audit, client = sorted(r.audit for r in repairs), sorted(r.client for r in repairs)
    writes = sum(repair.writes for repair in repairs) / len(repairs)
    return (
        f"median {statistics.median(audit):.0f} ms, p95 {_p95(audit):.0f} ms by the audit log; "
        f"median {statistics.median(client):.0f} ms, p95 {_p95(client):.0f} ms for a client; {writes:.2f} writes each"
    )


def _p95(ascending: list[float]) -> float:
    return ascending[min(len(ascending) - 1, int(len(ascending) * 0.95))]


def _n(number: float) -> str:
    return f"{number:.2f}" if 0 < number < 10 else f"{number:.0f}"  # noqa: PLR2004
