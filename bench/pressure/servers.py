"""The servers that are compared, with the same application: the service's own, and gunicorn's gthread in two forms."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psutil
import requests
from bench.service.stock import fill
from tests.framework.bound import bound
from tests.framework.server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

OURS: Final = "waitress"
BEFORE: Final = "gthread"
#: Name -> (its program, its environment).
SERVERS: Final[Mapping[str, tuple[tuple[str, ...], Mapping[str, str]]]] = {
    BEFORE: (("-m", "gunicorn", "--config", "python:bench.pressure.gthread"), {"THREADS": "8"}),
    "gthread-300": (
        ("-m", "gunicorn", "--config", "python:bench.pressure.gthread"),
        {"GTHREAD_THREADS": "300", "GTHREAD_SOCKET_SECONDS": "10"},
    ),
    OURS: (("-m", "inventory_service"), {"THREADS": "8"}),
}
PRODUCTS: Final = 8000
_START_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Running:
    """One server under measurement."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    #: Where the kubelet would ask: the service's own port for gunicorn.
    probe_port: int

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}"

    def memory_mib(self) -> float:
        """Return the resident memory of all its processes."""
        master = psutil.Process(self.process.pid)
        return float(sum(each.memory_info().rss for each in (master, *master.children())) / 2**20)


@contextlib.contextmanager
def running(folder: Path, names: Sequence[str]) -> Iterator[Mapping[str, Running]]:
    """Run the servers side by side, each with a database of its own."""
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(_running(folder, name)) for name in names}


@contextlib.contextmanager
def _running(folder: Path, name: str) -> Iterator[Running]:
    words, extra = SERVERS[name]
    url = f"sqlite:///{folder}/{name}.db"
    fill(url, PRODUCTS)
    ports = {variable: free_port() for variable in ("PORT", "INGRESS_PORT", "PROBE_PORT")}
    environment = {
        **os.environ,
        **extra,
        **{variable: str(port) for variable, port in ports.items()},
        "DATABASE_URL": url,
        "BIND_ADDRESS": "127.0.0.1",
        "AUDIT_SECONDS": "0",
        "DRAIN_SECONDS": "0",
    }
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(bound(sys.executable, *words), env=environment, stdout=log, stderr=subprocess.STDOUT)
    probe_port = ports["PROBE_PORT"] if name == OURS else ports["PORT"]
    try:
        _wait_for(process, f"http://127.0.0.1:{ports['PORT']}/readyz", folder / f"{name}.log")
        yield Running(name, process, ports["PORT"], probe_port)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(url, timeout=5).ok:
                return
        time.sleep(0.1)
    raise SystemExit(f"a server did not start:\n{log.read_text()}")
