"""A Redis of the tests' own, on a free port, with a password, in memory only."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from tests.framework.bound import bound
from tests.framework.server import DEADLINE, free_port

from devcluster import preflight

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "r3dis-pa55word"


class Redis:
    def __init__(self) -> None:
        preflight.require_packages({"redis-server": "redis-server"})
        self.port = free_port()
        # A Redis that is slow on a busy machine is waited for; one that was stopped refuses connections at once.
        patient = f"socket_timeout={DEADLINE:.0f}&socket_connect_timeout={DEADLINE:.0f}"
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0?{patient}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = {"--port": str(self.port), "--bind": "127.0.0.1", "--save": "", "--appendonly": "no"}
        self._process = subprocess.Popen(
            bound("redis-server", "-", *(part for option in options.items() for part in option)),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(f"requirepass {PASSWORD}\n".encode())
        self._process.stdin.close()
        until = time.monotonic() + DEADLINE
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            assert time.monotonic() < until
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def running() -> Iterator[Redis]:
    redis = Redis()
    try:
        redis.start()
        yield redis
    finally:
        redis.stop()
