"""The table of one run of the engine's measurement, beside the recorded figures of prometheus-operator.

It only puts numbers into words.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Final

from bench.command import Bar, markdown

#: So many times the peer's speed.
FASTER: Final = 12


@dataclass(slots=True)
class Burst:
    """All stacks at once: what it took, and what an idle and a restarted operator does afterwards."""

    stacks: int
    children: int
    #: From the first request of the user to the last answer to the operator, Events left out.
    seconds: float
    writes: dict[str, int]
    refused: int
    idle_cpu: float
    idle_writes: int
    memory: float
    restart_writes: int = 0
    restart_memory: float = 0.0


@dataclass(frozen=True, slots=True)
class Repair:
    """One repair of drift in milliseconds, by the audit log's clock and as a polling client saw it."""

    sort: str
    audit: float
    client: float
    writes: int


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that one run measured."""

    machine: str
    burst: Burst
    repairs: list[Repair]
    #: Stacks -> (memory in MB, CPU seconds per idle minute).
    footprint: dict[int, tuple[float, float]]
    idle_seconds: float
    controllers: bool

    @property
    def bars(self) -> list[Bar]:
        """What must hold of what was measured."""
        return [one.bar for one in _figures(self)]


@dataclass(frozen=True, slots=True)
class Peer:
    """prometheus-operator 0.93.1 on the same sort of control plane, as recorded when this project was designed."""

    objects_per_second: float = 24.0
    writes_per_object: float = 3.8
    idle_writes_per_minute: float = 100.0
    restart_writes: float = 770.0
    repair_ms: float = 232.0


@dataclass(frozen=True, slots=True)
class _Figure:
    """One number of ours, beside the peer's where there is one, and its bar: at most, at least, or exactly nothing."""

    what: str
    ours: float
    theirs: float | None
    limit: float
    sign: str = "<= "

    @property
    def bar(self) -> Bar:
        met = self.ours >= self.limit if self.sign == ">= " else self.ours <= self.limit
        return Bar(self.what, _n(self.ours), self.sign + _n(self.limit), met)

    @property
    def ratio(self) -> str:
        if self.theirs is None:
            return ""
        return f"{self.ours / self.theirs:.2f}x" if self.ours else "none"


def _figures(result: Result) -> list[_Figure]:
    made, peer = result.burst, Peer()
    idle = made.idle_writes / result.idle_seconds * 60
    repair = statistics.median(repair.audit for repair in result.repairs)
    writes = sum(made.writes.values()) / made.children
    memory = max(made.memory, made.restart_memory)
    speed, theirs = made.children / made.seconds, peer.objects_per_second
    return [
        _Figure("children made per second", speed, theirs, FASTER * theirs, ">= "),
        _Figure("writes per child, all included", writes, peer.writes_per_object, 1.2),
        _Figure("writes per idle minute", idle, peer.idle_writes_per_minute, 0, ""),
        _Figure("writes after a restart", made.restart_writes, peer.restart_writes, 0, ""),
        _Figure("repair of drift, median, ms", repair, peer.repair_ms, 25),
        _Figure(f"memory with {made.stacks} stacks, MB", memory, None, 150),
    ]


def table(result: Result) -> str:
    """Return the Markdown of one run."""
    rows = []
    for one in _figures(result):
        theirs = "" if one.theirs is None else _n(one.theirs)
        rows.append((one.what, one.bar.found, theirs, one.ratio, one.bar.bar, one.bar.verdict))
    heads = ("", "ours", "prometheus-operator 0.93.1 (recorded)", "ratio", "bar", "")
    return "\n".join([f"{result.machine}.", "", *markdown(heads, rows), "", *_details(result)])


def _details(result: Result) -> list[str]:
    made = result.burst
    where = "etcd, API server and controller manager" if result.controllers else "etcd and API server, nothing else"
    quiet = sum(count for sort, count in made.writes.items() if sort != "event")
    by_sort = ", ".join(f"{count} for {sort}" for sort, count in sorted(made.writes.items()))
    sizes = {**result.footprint, made.stacks: (made.memory, made.idle_cpu)}
    lines = [
        (
            f"- {where}; {made.stacks} stacks of `spec: {{}}`, {made.children} children, made in {made.seconds:.1f} s "
            f"from the user's first request to the last child and status."
        ),
        (
            f"- {sum(made.writes.values())} writes: {by_sort}; {made.refused} of them refused by the API server. "
            f"Without Events: {quiet / made.children:.2f} per child."
        ),
        f"- memory after a restart with {made.stacks} stacks: {made.restart_memory:.0f} MB.",
    ]
    for sort in ("delete", "edit"):
        found = [repair for repair in result.repairs if repair.sort == sort]
        lines.append(f"- {len(found)} x {sort} a Service: {_spread(found)}.")
    lines += [f"- {n} stacks: {memory:.0f} MB, {cpu:.2f} CPU s per idle minute." for n, (memory, cpu) in sizes.items()]
    return lines


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
