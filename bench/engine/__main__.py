"""Measures the engine on a bare control plane: speed, writes, repair of drift, memory.

Times are a matter of the machine. What must hold on any machine is in tests/integration.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import command
from bench.engine import report
from bench.engine.plane import NAMESPACE, OPERATOR, QUIET_SECONDS, Plane, plane

from inventory_operator.api import metadata as meta
from inventory_operator.kube.client import MERGE, ApiError
from inventory_operator.kube.kinds import CHILDREN

if TYPE_CHECKING:
    import argparse

    from bench.engine.audit import Write

SERVICES = next(resource for resource in CHILDREN if resource.kind == "Service")
#: Between two repairs, so that each is measured alone.
PAUSE_SECONDS = 0.25
REPAIR_LIMIT_SECONDS = 30.0
_EXAMPLES = """\
examples:
  make -C bench engine                                    everything: about 5 minutes
  .venv/bin/python -m bench.engine --stacks 10 --repairs 10
  .venv/bin/python -m bench.engine -o json | jq .burst
"""
_OPTIONS: command.Options = {
    "--stacks": {"type": int, "default": 100, "help": "stacks that are made at once (default: 100)"},
    "--repairs": {"type": int, "default": 50, "help": "Services that are deleted or edited (default: 50)"},
    "--idle": {"type": float, "default": 30.0, "help": "seconds to watch an idle operator (default: 30)"},
    "--controllers": {"action": "store_true", "help": "with kube-controller-manager, too"},
}


async def burst(at: Plane, stacks: int, idle_seconds: float) -> report.Burst:
    """Create all stacks at once; then count what an idle and what a restarted operator writes."""
    at.audit.skip()
    await at.make_stacks([f"stack-{n}" for n in range(stacks)])
    await at.settle(stacks)
    everything = at.audit.read()
    ours = [write for write in everything if write.user == OPERATOR]
    children = await at.children()
    began = min(write.received for write in everything)
    ended = max(write.answered for write in ours if write.sort != "event")
    found = report.Burst(
        stacks=stacks,
        children=children,
        seconds=ended - began,
        writes=dict(Counter(write.sort for write in ours)),
        refused=sum(write.code >= 400 for write in ours),  # noqa: PLR2004
        idle_cpu=await at.idle_cpu(idle_seconds),
        idle_writes=len(_ours(at)),
        memory=at.memory(),
    )
    await at.restart()
    await asyncio.sleep(idle_seconds)
    found.restart_writes, found.restart_memory = len(_ours(at)), at.memory()
    return found


def _ours(at: Plane) -> list[Write]:
    return [write for write in at.audit.read() if write.user == OPERATOR]


async def repairs(at: Plane, stacks: int, count: int) -> list[report.Repair]:
    """Delete or edit Services of random stacks in turn, each after the one before is repaired."""
    rng = random.Random(1)  # noqa: S311
    found = []
    for turn in range(count):
        name = f"stack-{rng.randrange(stacks)}-prometheus"
        found.append(await _repair(at, name, delete=turn % 2 == 0))
    return found


async def _repair(at: Plane, name: str, *, delete: bool) -> report.Repair:
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
    return report.Repair(sort, (repair.answered - edit.answered) * 1000, client * 1000, len(ours))


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


async def footprint(at: Plane, idle_seconds: float) -> dict[int, tuple[float, float]]:
    """Return (memory in MB, CPU seconds per idle minute) of an operator that came to 1, then to 50 stacks."""
    found, made = {}, 0
    for stacks in (1, 50):
        await at.make_stacks([f"stack-{n}" for n in range(made, stacks)])
        made = stacks
        await at.settle(stacks)
        cpu = await at.idle_cpu(idle_seconds)
        found[stacks] = (at.memory(), cpu)
    return found


async def _measure(words: argparse.Namespace) -> report.Result:
    machine = command.machine()
    with tempfile.TemporaryDirectory(prefix="bench-") as one, tempfile.TemporaryDirectory(prefix="bench-") as two:
        async with plane(Path(one), controllers=words.controllers) as at:
            sizes = await footprint(at, words.idle)
        async with plane(Path(two), controllers=words.controllers) as at:
            made = await burst(at, words.stacks, words.idle)
            await asyncio.sleep(QUIET_SECONDS)
            mended = await repairs(at, words.stacks, words.repairs)
    return report.Result(machine, made, mended, sizes, words.idle, controllers=words.controllers)


def measure(words: argparse.Namespace) -> report.Result:
    """Run everything: one control plane for the footprint, a fresh one for the rest."""
    return asyncio.run(_measure(words))


COMMAND = command.Command("engine", __doc__, _EXAMPLES, _OPTIONS, measure, report.table)

if __name__ == "__main__":
    sys.exit(COMMAND.run())
