"""Measures what the checks of many stacks cost the operator while all is well: CPU, and answers that are told.

Without a cluster: the stacks are in the operator's store, and one program answers for all of their pods. What must hold
on any machine is in tests/unit/test_verifier.py and tests/integration/test_verification.py.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import subprocess
import sys
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock

import structlog
from bench import command
from bench.verification.standins import ADDRESS, PORTS
from tests.framework import processes
from tests.framework.boards import RELOAD
from tests.framework.passes import raw
from tests.framework.verification import obj, part, pod

from inventory_operator.api import metadata as meta
from inventory_operator.cache.store import Store
from inventory_operator.settings import Settings
from inventory_operator.verification.answer import Outcome
from inventory_operator.verification.checklist import CHECKS
from inventory_operator.verification.verifier import Verifier

if TYPE_CHECKING:
    import argparse

_EXAMPLES = """\
examples:
  make -C bench verification                                100 stacks for two minutes
  .venv/bin/python -m bench.verification --stacks 10 --seconds 30
  .venv/bin/python -m bench.verification -o json | jq .cpu
"""
_OPTIONS: command.Options = {
    "--stacks": {"type": int, "default": 100, "help": "stacks that are checked (default: 100)"},
    "--seconds": {"type": float, "default": 120.0, "help": "seconds to watch (default: 120)"},
}
#: All stacks were checked, and are checked in turns.
_SETTLE_SECONDS = 20.0
_LIMIT = 3.0
#: The components whose pods are given to the stand-in: that of the service, then those of all others.
_PODS = (("service",), ("prometheus", "grafana"))


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured: seconds of CPU and of time, checks that are passed, answers that became others meanwhile."""

    machine: str
    stacks: int
    seconds: float
    cpu: float
    passed: int
    told: int

    @property
    def per_minute(self) -> float:
        """Seconds of CPU in a minute."""
        return self.cpu * 60 / self.seconds

    @property
    def bars(self) -> list[command.Bar]:
        """What must hold."""
        checks = len(CHECKS) * self.stacks
        limit = _LIMIT * self.stacks / 100
        return [
            command.Bar("CPU seconds per minute", f"{self.per_minute:.2f}", f"<= {limit:g}", self.per_minute <= limit),
            command.Bar("checks that are passed", str(self.passed), str(checks), self.passed == checks),
            command.Bar("answers told while nothing changes", str(self.told), "0", self.told == 0),
        ]


def _see(store: Store, name: str) -> None:
    """Put a stack into the store as the watches bring it."""
    stack = raw()
    stack["metadata"] |= {"name": name, "uid": name}
    stack["spec"] = {"alerting": {"receivers": {"webhook": {"secretKeyRef": {"name": "hook"}}}}}
    store.observe(stack)
    of = meta.Stack("ns", name, name)
    login = {key: base64.b64encode(name.encode()).decode() for key in ("admin-user", "admin-password")}
    for one in (
        obj("Secret", f"{name}-grafana", "grafana", data=login),
        obj("ConfigMap", f"{name}-grafana", "grafana"),
    ):
        one["metadata"]["labels"] = meta.labels(of, "grafana")
        store.observe({"apiVersion": "v1", **one})
    for component in PORTS:
        for one in part(component, pod(f"{name}-{component}", component)):
            metadata = one["metadata"]
            metadata |= {"labels": meta.labels(of, component), "name": f"{name}-{metadata['name']}"}
            if one["kind"] == "Deployment":
                metadata["ownerReferences"] = [{"uid": name, "controller": True}]
            if one["kind"] == "Pod":
                one["status"]["podIP"] = ADDRESS
            store.observe({"apiVersion": "v1", **one})


async def _watch(stacks: int, seconds: float) -> tuple[float, float, int, int]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    store = Store(lambda _: None)
    told: list[meta.Key] = []
    settings = Settings(probe_pods=True, allow_kubelet_metrics=True)
    texts = {file.name: file.read_text("utf-8") for file in RELOAD.iterdir()}
    cluster: Any = SimpleNamespace(get=AsyncMock(return_value={"data": texts}))
    verifier = Verifier(cluster, store, settings, told.append, lambda *_: None)
    for n in range(stacks):
        _see(store, f"s{n}")
    task = asyncio.create_task(verifier.run())
    await asyncio.sleep(_SETTLE_SECONDS)
    told.clear()
    began, cpu = time.monotonic(), time.process_time()
    await asyncio.sleep(seconds)
    found = time.monotonic() - began, time.process_time() - cpu
    task.cancel()
    answers = [one for key in store.stacks for one in verifier.result(key).answers]
    return *found, sum(one.outcome is Outcome.PASSED for one in answers), len(told)


def measure(words: argparse.Namespace) -> Result:
    """Check the stacks, with the pods in a process of their own."""
    machine = command.machine()
    names = [",".join(f"s{n}-s{n}-{name}" for n in range(words.stacks) for name in names) for names in _PODS]
    program = [sys.executable, "-m", "bench.verification.standins", *names]
    with processes.running(program, stdout=subprocess.PIPE) as pods:
        assert pods.stdout
        pods.stdout.readline()
        seconds, cpu, passed, told = asyncio.run(_watch(words.stacks, words.seconds))
    return Result(machine, words.stacks, seconds, cpu, passed, told)


def table(result: Result) -> str:
    """Return the Markdown of one run."""
    bars = command.bar_table(result.bars)
    return "\n".join([f"{result.machine}.", "", f"{result.stacks} stacks, {result.seconds:.0f} s:", "", *bars])


COMMAND = command.Command("verification", __doc__, _EXAMPLES, _OPTIONS, measure, table)

if __name__ == "__main__":
    sys.exit(COMMAND.run())
