"""Long-running programs: starts them detached or bound to this process, finds them again, stops them.

What runs is read from the process table, by program and by the folder in its arguments; there are no pid files.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_POLL = 0.05

#: A child started with a death signal gets it when the *thread* that started it ends: so one thread starts them all.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


@dataclass(frozen=True, slots=True)
class Server:
    """A running program of ours."""

    pid: int
    program: Path
    #: Ticks since boot; with the pid it names one process for ever.
    born: str

    @property
    def name(self) -> str:
        """Return the program's name."""
        return self.program.name


def start(argv: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None) -> None:
    """Start `argv` so that it outlives this process; its output goes to `log`."""
    with log.open("ab") as output:
        subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(env or {})},
            cwd="/",
            start_new_session=True,
        )


def start_bound(argv: Sequence[str | Path], log: Path) -> subprocess.Popen[bytes]:
    """Start `argv` so that the kernel kills it when this process dies, even by SIGKILL."""
    setpriv = shutil.which("setpriv")
    prefix = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []

    def spawn() -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            command = [*prefix, *map(str, argv)]
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )

    return _spawner.submit(spawn).result()


def find(names: Iterable[str], folders: Iterable[Path]) -> list[Server]:
    """Return the running programs among `names` whose arguments name one of `folders`."""
    wanted, marks = set(names), [f"{folder}/".encode() for folder in folders]
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            program = Path(words[0].decode(errors="replace"))
            if program.name in wanted and any(mark in word for word in words[1:] for mark in marks):
                found.append(Server(int(entry.name), program, _born(int(entry.name))))
        except OSError:
            continue  # it ended meanwhile
    return found


def stop(servers: Iterable[Server], patience: float) -> None:
    """Ask `servers` to end, wait `patience` seconds, then kill; returns when all are gone."""
    left = list(servers)
    if patience:
        _signal(left, signal.SIGTERM)
        left = _wait(left, patience)
    _signal(left, signal.SIGKILL)
    _wait(left, 10)


def _wait(servers: list[Server], patience: float) -> list[Server]:
    deadline = time.monotonic() + patience
    while (servers := [it for it in servers if _alive(it)]) and time.monotonic() < deadline:
        time.sleep(_POLL)
    return servers


def _signal(servers: Iterable[Server], number: int) -> None:
    for server in servers:
        if _alive(server):
            os.kill(server.pid, number)


def _alive(server: Server) -> bool:
    try:
        return _born(server.pid) == server.born and _state(server.pid) != "Z"
    except OSError:
        return False


def _born(pid: int) -> str:
    return _stat(pid)[19]


def _state(pid: int) -> str:
    return _stat(pid)[0]


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the program's name (see proc(5): state is the first of them)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
