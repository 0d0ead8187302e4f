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
