"""What an operator costs once all is made: the repair of drift, a restart, and doing nothing.

At its default settings, on one control plane, one after the other.
"""

from __future__ import annotations

import asyncio
import random
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from bench.engine.plane import NAMESPACE, OPERATOR, Plane, plane

from inventory_operator.api import metadata as meta
from inventory_operator.kube.client import MERGE, ApiError
from inventory_operator.kube.kinds import CHILDREN

if TYPE_CHECKING:
    from tests.framework.operators import Operator

SERVICES = next(resource for resource in CHILDREN if resource.kind == "Service")
#: Between two repairs, so that each is measured alone.
PAUSE_SECONDS = 0.25
REPAIR_LIMIT_SECONDS = 30.0
#: After a restart, before memory is read.
SETTLE_SECONDS = 30.0
_RECONCILED = re.compile(r'^inventory_operator_reconcile_total\{result="(?:success|waiting)"\} (\S+)$', re.MULTILINE)
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Repair:
    """One repair of drift in milliseconds, by the audit log's clock and as a polling client saw it."""

    sort: str
    audit: float
    client: float
    writes: int


@dataclass(frozen=True, slots=True)
class Restart:
    """An orderly restart: seconds until in step, memory in MB (10**6 bytes) once settled and at its peak, writes."""

    seconds: float
    memory: float
    peak: float
    writes: int


@dataclass(frozen=True, slots=True)
class Idle:
    """So many seconds in which nothing changes: CPU seconds in all, writes."""

    seconds: float
    cpu: float
    writes: int


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Everything that was measured with these stacks."""

    repairs: list[Repair]
    restart: Restart
    idle: Idle


async def measure(stacks: int, repairs: int, idle_seconds: float) -> Upkeep:
    """Make the stacks, and measure what comes after."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with plane(Path(folder)) as at:
            await at.start()
            await at.make_stacks(stacks)
            await at.settle(stacks)
            mended = await _repairs(at, stacks, repairs)
            return Upkeep(mended, await _restart(at, stacks), await _idle(at, idle_seconds))


async def _restart(at: Plane, stacks: int) -> Restart:
    await asyncio.to_thread(at.operator.stop)
    at.audit.skip()
    began = time.monotonic()
    await at.start()
    while _reconciles(await asyncio.to_thread(at.operator.metrics)) < stacks:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.05)
    took = time.monotonic() - began
    await asyncio.sleep(SETTLE_SECONDS)
    process = _process(at.operator)
    return Restart(took, process.memory_info().rss / 1e6, _peak(process), len(at.written()))


async def _idle(at: Plane, seconds: float) -> Idle:
    process = _process(at.operator)
    at.audit.skip()
    before, began = sum(process.cpu_times()[:2]), time.monotonic()
    await asyncio.sleep(seconds)
    return Idle(time.monotonic() - began, sum(process.cpu_times()[:2]) - before, len(at.written()))


def _process(operator: Operator) -> psutil.Process:
    assert operator.process
    return psutil.Process(operator.process.pid)


def _peak(process: psutil.Process) -> float:
    found = _PEAK.search(Path(f"/proc/{process.pid}/status").read_text())
    assert found
    return int(found[1]) * 1024 / 1e6


def _reconciles(metrics: str) -> float:
    return sum(float(count) for count in _RECONCILED.findall(metrics))


async def _repairs(at: Plane, stacks: int, count: int) -> list[Repair]:
    """Delete or edit Services of random stacks in turn, each after the one before is repaired."""
    rng = random.Random(1)  # noqa: S311
    found = []
    for turn in range(count):
        name = f"stack-{rng.randrange(stacks)}-prometheus"
        found.append(await _repair(at, name, delete=turn % 2 == 0))
    return found


async def _repair(at: Plane, name: str, *, delete: bool) -> Repair:
    live = await at.admin.get(SERVICES, name, NAMESPACE)
    assert live
    live |= {"apiVersion": SERVICES.api_version, "kind": SERVICES.kind}
    await asyncio.sleep(PAUSE_SECONDS)
    at.audit.skip()
    if delete:
        await at.admin.delete(live)
    else:
        patch = {"spec": {"selector": {meta.STACK_LABEL: "drift"}}}
        # Not as the operator's own field manager: then it would be the operator's own wish.
        await at.admin.request("PATCH", SERVICES.path(NAMESPACE, name), patch, MERGE, fieldManager="bench")
    broken_at = time.monotonic()
    await _until_whole(at, name, live)
    client = time.monotonic() - broken_at
    await asyncio.sleep(PAUSE_SECONDS)
    seen = at.audit.read()
    edit = next(write for write in seen if write.user != OPERATOR and write.name == name)
    ours = [write for write in seen if write.user == OPERATOR]
    repair = next(write for write in ours if write.name == name)
    sort = "delete" if delete else "edit"
    return Repair(sort, (repair.answered - edit.answered) * 1000, client * 1000, len(ours))


async def _until_whole(at: Plane, name: str, before: dict[str, Any]) -> None:
    """Ask again and again, as a client would, until the Service is what it was."""
    async with asyncio.timeout(REPAIR_LIMIT_SECONDS):
        while True:
            try:
                live = await at.admin.get(SERVICES, name, NAMESPACE)
            except ApiError:
                live = None
            if live and live["spec"]["selector"] == before["spec"]["selector"]:
                return
            await asyncio.sleep(0.002)
