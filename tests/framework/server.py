"""The service as a pod runs it: `python -m inventory_service` with its environment, and its log in a file.

The process is observed over HTTP and by its log only.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from tests.framework.bound import bound

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How long something may take that takes a moment: only what hangs needs so long, whatever else the machine does.
DEADLINE = 120.0
#: So many ports are kept for who is to listen at them: some more than a test asks for at once.
_KEPT_PORTS = 64
_kept: deque[socket.socket] = deque()


class Server:
    def __init__(self, log: Path, **environment: str) -> None:
        self.port, self.ingress_port, self.probe_port = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        inherited = {
            name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "PYTHONPATH"}
        }
        ports = {"PORT": self.port, "INGRESS_PORT": self.ingress_port, "PROBE_PORT": self.probe_port}
        with log.open("wb") as stdout:
            self.process = subprocess.Popen(
                bound(sys.executable, "-m", "inventory_service"),
                env={
                    **inherited,
                    **{name: str(port) for name, port in ports.items()},
                    "BIND_ADDRESS": "127.0.0.1",
                    "DRAIN_SECONDS": "0",
                    **environment,
                },
                stdout=stdout,
                stderr=subprocess.STDOUT,
            )

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=DEADLINE, **options)

    def wait_for(self, path: str = "/readyz", status: int = 200) -> requests.Response:
        """Return the first answer with this status."""
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until:
            assert self.process.poll() is None, self.log.read_text()
            with contextlib.suppress(requests.ConnectionError):
                answer = self.get(path)
                if answer.status_code == status:
                    return answer
            time.sleep(0.05)
        raise AssertionError(f"{path} never answered {status}:\n{self.log.read_text()}")

    def lines(self) -> list[dict[str, Any]]:
        """Return the log; every line of it must be a JSON object, but for one that is being written."""
        return [json.loads(line) for line in self.log.read_text().split("\n")[:-1]]

    def open_files(self) -> set[Path]:
        """Return the regular files that the service has open, deleted ones included."""
        found = set()
        for descriptor in list(Path(f"/proc/{self.process.pid}/fd").iterdir()):
            with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
                if descriptor.is_file():
                    found.add(descriptor.readlink())
        return found

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Stop at once; a test that wants an orderly end calls `terminate`."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


@contextlib.contextmanager
def serving(log: Path, **environment: str) -> Iterator[Server]:
    """Run a ready server."""
    server = Server(log, **environment)
    try:
        server.wait_for()
        yield server
    finally:
        server.stop()


def free_port() -> int:
    """Return a port that nobody else is given, at any address, before the program that is to listen at it has started.

    It is kept by a socket that does not listen: whoever asks for any port, in whichever process, gets another one, and
    a server that names this one gets it (both with SO_REUSEADDR, as servers have it).
    """
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Not at one address only: who listens at another one would be in the way of a server for all of them.
    keeper.bind(("", 0))
    _kept.append(keeper)
    if len(_kept) > _KEPT_PORTS:
        _kept.popleft().close()
    return int(keeper.getsockname()[1])


@atexit.register
def _keep_no_port() -> None:
    while _kept:
        _kept.pop().close()
