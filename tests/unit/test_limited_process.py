"""A program that reads a user's file has limits, no credentials, and its namespace a turn."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import yaml
from tests.framework.rendered import ROOT

from inventory_operator.api.quantities import quantity_bytes
from inventory_operator.components import limited_process
from inventory_operator.components.limited_process import (
    AT_ONCE,
    BURST_SECONDS,
    CHECK,
    LARGEST_OUTPUT,
    SHARE,
    TOOL,
    Limits,
    ProgramMissingError,
    Turns,
    run,
)

if TYPE_CHECKING:
    from pathlib import Path

#: Bytes: what bench/README.md measures of the operator at most, and room.
OPERATOR_BYTES = 200_000_000


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


async def test_it_reads_the_text_by_both_names_of_standard_input() -> None:
    code = "import sys; print(open('/dev/stdin').read() == sys.stdin.read() == 'ä\\n')"
    assert (await run(python(code), "ä\n", TOOL)).output == b"True\n"


async def test_it_gets_no_more_memory_than_its_limit() -> None:
    outcome = await run(python(f"len(bytearray({TOOL.data_bytes}))"), "", TOOL)
    assert outcome.code == 1
    assert outcome.output.endswith(b"MemoryError\n")


async def test_it_gets_no_more_cpu_time_than_its_limit() -> None:
    limits = Limits(TOOL.data_bytes, cpu_seconds=1, seconds=300)
    assert (await run(python("while True: pass"), "", limits)).code == -signal.SIGXCPU


async def test_what_sleeps_is_ended_by_the_clock() -> None:
    assert (await run(python("import time; time.sleep(600)"), "", Limits(TOOL.data_bytes, seconds=1))).code is None


async def test_what_it_says_is_read_up_to_a_limit_and_to_the_end() -> None:
    outcome = await run(python(f"print('a' * {2 * LARGEST_OUTPUT})"), "", TOOL)
    assert outcome.code == 0
    assert len(outcome.output) == LARGEST_OUTPUT


async def test_what_ends_in_the_middle_of_its_words_hangs_nobody() -> None:
    code = "import sys, time; print('a' * 1_000_000, flush=True); time.sleep(600)"
    assert (await run(python(code), "", Limits(TOOL.data_bytes, seconds=1))).code is None


async def test_nothing_of_the_operators_environment_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUNTER2", "hunter2")
    said = (await run(python("import os; print(dict(os.environ), os.getcwd())"), "", TOOL)).output
    assert b"hunter2" not in said
    assert said.endswith(b" /\n")


async def test_a_program_that_is_missing() -> None:
    with pytest.raises(ProgramMissingError, match="nowhere/promtool can't be run"):
        await run(["/nowhere/promtool"], "", TOOL)


async def test_a_cancelled_run_leaves_no_process(tmp_path: Path) -> None:
    fifo = tmp_path / "pid"
    os.mkfifo(fifo)
    code = f"import os, time; open({str(fifo)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    task = asyncio.create_task(run(python(code), "", TOOL))
    pid = int(await asyncio.to_thread(fifo.read_text))
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert not psutil.pid_exists(pid)


class Holder:
    """Somebody who takes a turn, and holds it until told."""

    def __init__(self, turns: Turns, namespace: str) -> None:
        self.has, self.end = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(self._hold(turns, namespace))

    async def _hold(self, turns: Turns, namespace: str) -> None:
        async with turns.take(namespace):
            self.has.set()
            await self.end.wait()


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_namespace_with_many_files_has_one_turn_at_a_time() -> None:
    turns = Turns()
    many = [Holder(turns, "hostile") for _ in range(10)]
    await settled()
    other = Holder(turns, "other")
    await asyncio.wait_for(other.has.wait(), 60)
    assert [one.has.is_set() for one in many] == [True] + [False] * 9
    third = Holder(turns, "third")
    await settled()
    assert not third.has.is_set(), f"{AT_ONCE} at once"
    many[0].end.set()
    await asyncio.wait_for(third.has.wait(), 60)
    assert not many[1].has.is_set(), "who has waited longer goes first"
    for one in (*many, other, third):
        one.end.set()
    await asyncio.gather(*(one.task for one in (*many, other, third)))


async def test_a_namespace_has_its_share_of_one_cpu_and_no_other_waits_for_it() -> None:
    used, now = [0.0], [0.0]
    turns = Turns(lambda: used[0], lambda: now[0])

    async def judge(namespace: str, seconds: float) -> None:
        async with turns.take(namespace):
            used[0] += seconds

    await judge("hostile", BURST_SECONDS)
    assert turns.shares.pause("hostile") == 0.0, "so much at once"
    await judge("hostile", 1.0)
    assert turns.shares.pause("hostile") == 1.0 / SHARE
    assert turns.shares.pause("other") == 0.0
    waiting = asyncio.create_task(judge("hostile", 1.0))
    await settled()
    await asyncio.wait_for(judge("other", 1.0), 60)
    waiting.cancel()
    now[0] += 1.0 / SHARE
    assert turns.shares.pause("hostile") == 0.0
    await judge("hostile", 1.0)
    assert turns.shares.pause("hostile") == 1.0 / SHARE
    now[0] += (BURST_SECONDS + 2.0) / SHARE
    await judge("other", 0.0)
    await judge("hostile", BURST_SECONDS)
    assert turns.shares.pause("hostile") == 0.0, "what it had is forgotten in time"


async def test_what_a_program_takes_is_counted() -> None:
    before = limited_process._spent()
    outcome = await run([sys.executable, "-c", "sum(range(3_000_000))"], "", CHECK)
    assert outcome.code == 0
    assert limited_process._spent() > before


def test_the_operator_and_all_checks_stay_below_the_limit_of_the_pod() -> None:
    deployment: dict[str, Any] = yaml.safe_load((ROOT / "operator/deploy/base/deployment.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    limit = quantity_bytes(container["resources"]["limits"]["memory"])
    assert limit >= AT_ONCE * max(TOOL.data_bytes, CHECK.data_bytes) + OPERATOR_BYTES
