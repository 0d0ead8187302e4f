"""The end of the process: a signal ends it in order, and by force where something refuses to end."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from tests.framework import processes
from tests.framework.api import PATIENCE

#: kopf's tasks are like that: they swallow a cancellation, and wait on.
PROGRAM = """
import asyncio, contextlib
from inventory_operator.runtime.ending import Ending

async def stubborn():
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)

async def main():
    ending = Ending(forced_after={seconds})
    ending.take_signals()
    {work}
    print("running", flush=True)
    await ending.stop.wait()
    print("asked to stop", flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("work", "number", "seconds", "code"),
    [
        ("", signal.SIGTERM, PATIENCE, 0),
        ("", signal.SIGINT, PATIENCE, 0),
        ("task = asyncio.create_task(stubborn())", signal.SIGTERM, 0.2, 4),
    ],
    ids=["in order", "Ctrl-C", "by force"],
)
def test_a_signal_ends_the_process(work: str, number: signal.Signals, seconds: float, code: int) -> None:
    command = [sys.executable, "-c", PROGRAM.format(work=work, seconds=seconds)]
    with processes.running(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "running\n"
        process.send_signal(number)
        assert process.stdout.readline() == "asked to stop\n"
        assert process.wait(PATIENCE) == code


#: Its first step takes longer than all of them should: as for a process that stood still.
STOOD_STILL = """
import asyncio, threading, time
from inventory_operator.runtime.ending import Ending

first_step_is_over = threading.Event()

def sleep(seconds):
    if first_step_is_over.is_set():
        time.sleep(3600)
    time.sleep(1)
    first_step_is_over.set()

async def main():
    ending = Ending(forced_after=0.2, sleep=sleep)
    ending.begin()
    await asyncio.to_thread(first_step_is_over.wait)

asyncio.run(main())
"""


def test_a_process_that_stood_still_ends_in_order_all_the_same() -> None:
    with processes.running([sys.executable, "-c", STOOD_STILL]) as process:
        assert process.wait(PATIENCE) == 0
