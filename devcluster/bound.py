"""Runs long programs that end with this process: each with its children in a process group, which the kernel ends.

Only programs that can be killed at any moment and repeated are started here; apt, which can't, is not one of them.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_POLL = 0.25
#: The kernel tells the shell when this process is gone, and the shell kills its whole group, itself included.
#: It may be gone before the shell could ask for that; then the shell has another parent.
_GUARD = '[ "$PPID" = "$1" ] || exit 1; shift; trap "kill -KILL 0" TERM; "$@" & wait $!'

#: A child started with a death signal gets it when the *thread* that started it ends: so one thread starts them all.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bound")
_running: set[int] = set()


def run(
    argv: Sequence[str | Path],
    log: Path,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    tick: Callable[[], None] = lambda: None,
) -> tuple[int, float]:
    """Run `argv` to its end with its output in `log`; return its exit code and the CPU seconds of all its children."""
    process = _spawner.submit(_start, argv, log, cwd, {**os.environ, **(env or {})}).result()
    _running.add(process.pid)
    try:
        while True:
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                process.returncode = os.waitstatus_to_exitcode(status)
                return process.returncode, usage.ru_utime + usage.ru_stime
            time.sleep(_POLL)
            tick()
    except BaseException:
        _kill(process.pid)
        process.wait()
        raise
    finally:
        _running.discard(process.pid)


def kill_all() -> None:
    """Kill what any thread of this process runs here; its callers see it fail."""
    for group in list(_running):
        _kill(group)


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _start(argv: Sequence[str | Path], log: Path, cwd: Path | None, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    setpriv = shutil.which("setpriv")
    bound = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
    command = [*bound, "sh", "-c", _GUARD, "sh", str(os.getpid()), *map(str, argv)]
    # A group, not a session: the kernel gives each session the same share of the cores, whatever nice(1) is given.
    with log.open("ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=cwd, env=env, process_group=0
        )
