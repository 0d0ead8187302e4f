"""Programs that a test starts, and their end: whatever happens in the test, they end with it."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

#: Seconds from SIGTERM to SIGKILL: as many as a pod has.
PATIENCE = 30.0


@contextmanager
def running(command: Sequence[str | Path], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Run a program while the block lasts; `options` are those of `subprocess.Popen`.

    `with subprocess.Popen(...)` waits for the program when the block ends. When an assertion in the block fails, the
    program was not asked to end, and the test waits for ever.
    """
    with ending(subprocess.Popen(command, **options)) as process:
        yield process


@contextmanager
def ending(process: subprocess.Popen[Any]) -> Iterator[subprocess.Popen[Any]]:
    """End a program that runs already when the block ends."""
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[Any], patience: float = PATIENCE) -> None:
    """Ask a program to end, kill it when it has not ended in time, and close the pipes to it."""
    try:
        if process.poll() is None:
            process.terminate()
            process.wait(patience)
    except subprocess.TimeoutExpired:
        pass  # it is killed below
    finally:
        # Also when the wait was interrupted, as by Ctrl-C. What has ended can be killed and waited for again.
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
