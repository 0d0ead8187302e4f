"""The table of one run of the engine's measurement, beside the recorded figures of prometheus-operator.

It only puts numbers into words.
"""

from __future__ import annotations

import os
import platform
import re
import statistics
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import Counter

_ROOT = Path(__file__).parents[1]


@dataclass(slots=True)
class Burst:
    """All stacks at once: what it took, and what an idle and a restarted operator does afterwards."""

    stacks: int
    children: int
    #: From the first request of the user to the last answer to the operator, Events left out.
    seconds: float
    writes: Counter[str]
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

    burst: Burst
    repairs: list[Repair]
    #: Stacks -> (memory in MB, CPU seconds per idle minute).
    footprint: dict[int, tuple[float, float]]
    idle_seconds: float
    controllers: bool


@dataclass(frozen=True, slots=True)
class Peer:
    """prometheus-operator 0.93.1 on the same sort of control plane, as recorded when this project was designed."""

    objects_per_second: float = 24.0
    writes_per_object: float = 3.8
    idle_writes_per_minute: float = 100.0
    restart_writes: float = 770.0
    repair_ms: float = 232.0


def machine() -> str:
    """Return when, where and with which commit; to be asked before the run, for the load of others."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", info)
    git = ["git", "-C", str(_ROOT)]
    commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], check=True, capture_output=True, text=True)
    dirty = subprocess.run([*git, "status", "--porcelain", "operator", "templates"], check=True, capture_output=True)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({model[1] if model else platform.machine()}), "
        f"Python {platform.python_version()}, commit {commit.stdout.strip()}{' with changes' if dirty.stdout else ''}, "
        f"load average of the minute before: {os.getloadavg()[0]:.1f}"
    )


def table(result: Result, machine: str) -> str:
    """Return the Markdown of one run."""
    made, peer = result.burst, Peer()
    speed = made.children / made.seconds
    writes = sum(made.writes.values()) / made.children
    idle = made.idle_writes / result.idle_seconds * 60
    repair = statistics.median(repair.audit for repair in result.repairs)
    rows = [
        (
            "children made per second",
            speed,
            peer.objects_per_second,
            f"{speed / peer.objects_per_second:.1f}x",
            ">= 12x",
        ),
        (
            "writes per child, all included",
            writes,
            peer.writes_per_object,
            _ratio(writes, peer.writes_per_object),
            "<= 1.2",
        ),
        ("writes per idle minute", idle, peer.idle_writes_per_minute, _ratio(idle, peer.idle_writes_per_minute), "0"),
        (
            "writes after a restart",
            made.restart_writes,
            peer.restart_writes,
            _ratio(made.restart_writes, peer.restart_writes),
            "0",
        ),
        ("repair of drift, median, ms", repair, peer.repair_ms, _ratio(repair, peer.repair_ms), "<= 25"),
        (f"memory with {made.stacks} stacks, MB", max(made.memory, made.restart_memory), None, "", "<= 150"),
    ]
    lines = [
        f"{machine}.",
        "",
        "| | ours | prometheus-operator 0.93.1 (recorded) | ratio | bar |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {what} | {_n(ours)} | {'' if theirs is None else _n(theirs)} | {ratio} | {bar} |"
        for what, ours, theirs, ratio, bar in rows
    ]
    return "\n".join([*lines, "", *_details(result)])


def _details(result: Result) -> list[str]:
    made = result.burst
    where = "etcd, API server and controller manager" if result.controllers else "etcd and API server, nothing else"
    by_sort = ", ".join(f"{count} for {sort}" for sort, count in sorted(made.writes.items()))
    sizes = {**result.footprint, made.stacks: (made.memory, made.idle_cpu)}
    lines = [
        (
            f"- {where}; {made.stacks} stacks of `spec: {{}}`, {made.children} children, made in {made.seconds:.1f} s "
            f"from the user's first request to the last child and status."
        ),
        (
            f"- {sum(made.writes.values())} writes: {by_sort}; {made.refused} of them refused by the API server. "
            f"Without Events: {(sum(made.writes.values()) - made.writes['event']) / made.children:.2f} per child."
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


def _ratio(ours: float, theirs: float) -> str:
    return f"{ours / theirs:.2f}x" if ours else "none"


def _n(number: float) -> str:
    return f"{number:.2f}" if 0 < number < 10 else f"{number:.0f}"  # noqa: PLR2004


def record(file: Path, text: str, what: str = "") -> None:
    """Put `text` between the markers of `file` that are named for what was measured."""
    name = f"measured {what}".rstrip()
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, _, rest = file.read_text().partition(begin)
    _, _, after = rest.partition(end)
    file.write_text(f"{before}{begin}{text}\n{end}{after}")
