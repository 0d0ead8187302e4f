"""Runs a program on a user's file with limits, and gives the namespaces turns, so that none waits for another's files.

No credentials are in the environment of such a program, and what it says is read up to a limit.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import inventory_operator
from inventory_operator.checks import limited
from inventory_operator.components.shares import Shares

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

#: Programs at the same time. Together with the operator they stay below the memory limit of its pod.
AT_ONCE = 2
#: CPU seconds that the programs of a namespace may take at once, and after that for each second.
BURST_SECONDS, SHARE = 10.0, 0.25
#: Bytes of output: our largest file, each character of it escaped in JSON.
LARGEST_OUTPUT = 5_000_000
_LAUNCHER = (sys.executable, "-I", "-S", limited.__file__)
_CHUNK = 1 << 16
_ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath),
    # Where this package is, however it was found.
    "PYTHONPATH": str(Path(inventory_operator.__file__).parents[1]),
    "PYTHONUTF8": "1",
    # Go: a smaller heap for a little more CPU time, and no thread for each core.
    "GOMAXPROCS": "1",
    "GOGC": "50",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a program may take."""

    #: Private memory (RLIMIT_DATA).
    data_bytes: int
    #: promtool takes 0.9 s for our largest files, our own check 2 s.
    cpu_seconds: int = 10
    #: What takes longer waits for something that does not come, or for a CPU: this says nothing about the file.
    seconds: float = 60.0

    def __str__(self) -> str:
        return f"{self.cpu_seconds} s of CPU time or {self.data_bytes // 1_000_000} MB of memory"


#: promtool needs 100 MB to start and 140 MB for our largest files, of which 100 MB are ever in use; amtool needs less.
TOOL = Limits(160_000_000)
#: Our own check takes 60 MB for our largest files.
CHECK = Limits(100_000_000)


class ProgramMissingError(Exception):
    """A program that judges files can't be run."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended."""

    #: Exit code; below zero a signal; None: it did not end by itself.
    code: int | None
    output: bytes


class Turns:
    """Lets `AT_ONCE` holders in, one of each namespace at most, and the namespaces in the order in which they came.

    A namespace whose programs have taken `BURST_SECONDS` of CPU time waits, so that in the long run they take `SHARE`
    of one CPU: no tenant keeps it busy. Nobody else waits for that.
    """

    def __init__(self, spent: Callable[[], float] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._all = asyncio.Semaphore(AT_ONCE)
        # A lock lives as long as somebody holds it or waits for it.
        self._of: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        #: CPU seconds of all programs that have ended, and as they were when a turn ended last.
        self._spent = spent or _spent
        self._charged = self._spent()
        self.shares = Shares(BURST_SECONDS, SHARE, clock)

    @asynccontextmanager
    async def take(self, namespace: str) -> AsyncIterator[None]:
        """Wait for a turn of the namespace, and hold it."""
        lock = self._of.setdefault(namespace, asyncio.Lock())
        async with lock:
            await asyncio.sleep(self.shares.pause(namespace))
            async with self._all:
                try:
                    yield
                finally:
                    # The kernel adds what a program took to the sum when it has ended.
                    spent = self._spent()
                    self.shares.charge(namespace, spent - self._charged)
                    self._charged = spent


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def run(command: Sequence[str], text: str, limits: Limits) -> Outcome:
    """Run a program with a text on its standard input, below all limits.

    Raises:
        ProgramMissingError: it can't be run.

    """
    # An unnamed file and no pipe: a program can open it by name, as /dev/stdin, and nobody has to feed it.
    with tempfile.TemporaryFile(prefix="check-") as file:
        file.write(text.encode())
        file.seek(0)
        process = await asyncio.create_subprocess_exec(
            *_LAUNCHER, str(limits.cpu_seconds), str(limits.data_bytes), *command,
            stdin=file, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=_ENVIRONMENT, cwd="/",
        )  # fmt: skip
        assert process.stdout
        try:
            async with asyncio.timeout(limits.seconds):
                output = await _read(process.stdout)
                code = await process.wait()
        except TimeoutError:
            return Outcome(None, b"")
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()
    if code == limited.EXIT_CANNOT_RUN:
        raise ProgramMissingError(f"{command[0]} can't be run")
    return Outcome(code, output)


async def _read(stream: asyncio.StreamReader) -> bytes:
    """Return the first bytes of a stream, and read it to its end."""
    kept = bytearray()
    while chunk := await stream.read(_CHUNK):
        kept += chunk[: LARGEST_OUTPUT - len(kept)]
    return bytes(kept)
