"""Clients that keep a server of this machine waiting, many at a time, from one address or from many."""

from __future__ import annotations

import contextlib
import itertools
import select
import socket
import threading
from dataclasses import dataclass, field
from typing import Self

#: What each kind sends at once, and what it sends each second after that.
KINDS = {
    "half a head": (b"GET /api/products HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"x"),
    "half a body": (b'POST /api/products HTTP/1.1\r\nHost: x\r\nContent-Length: 6000\r\n\r\n{"name"', b" "),
    "half a chunk": (b"POST /api/products HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{", b" "),
    "half a file": (
        b"POST /api/import/products HTTP/1.1\r\nContent-Type: text/csv\r\nContent-Length: 9000000\r\n\r\nsku",
        b"," * 1000,
    ),
    "reads nothing": (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b""),
    "idle": (b"", b""),
}
#: Small, so that whoever reads nothing holds something.
_RECEIVED_BYTES = 4096


@dataclass
class _Client:
    kind: str
    source: str
    sock: socket.socket | None = None


@dataclass
class SlowClients:
    """A context manager: so many clients, all kinds in turn, that reconnect whenever the server closes."""

    port: int
    count: int
    addresses: int = 1
    kinds: tuple[str, ...] = tuple(KINDS)
    #: How often the server closed a connection, by kind.
    closed: dict[str, int] = field(default_factory=dict)
    #: How often a connection could not be made.
    refused: int = 0

    def __enter__(self) -> Self:
        kinds = itertools.cycle(self.kinds)
        self._clients = [_Client(next(kinds), f"127.0.1.{1 + number % self.addresses}") for number in range(self.count)]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._hold, name="slow clients", daemon=True)
        self._turns = 0
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def turns(self) -> int:
        """How often each of them did what it does: about once a second."""
        return self._turns

    def _hold(self) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(self._close_all)
            while not self._ended.wait(1.0):
                for client in self._clients:
                    self._prod(client)
                self._turns += 1

    def _prod(self, client: _Client) -> None:
        first, more = KINDS[client.kind]
        if client.sock is None:
            client.sock = self._connect(client.source)
            more = first
        try:
            if client.sock is not None:
                if more:
                    client.sock.send(more)
                if client.kind != "reads nothing":
                    self._look(client)
                elif _is_gone(client.sock):
                    raise ConnectionResetError
        except BlockingIOError:
            pass
        except OSError:
            self._gone(client)

    def _look(self, client: _Client) -> None:
        assert client.sock is not None
        with contextlib.suppress(BlockingIOError):
            if not client.sock.recv(_RECEIVED_BYTES):
                self._gone(client)

    def _gone(self, client: _Client) -> None:
        assert client.sock is not None
        client.sock.close()
        client.sock = None
        self.closed[client.kind] = self.closed.get(client.kind, 0) + 1

    def _connect(self, source: str) -> socket.socket | None:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVED_BYTES)
        sock.settimeout(2.0)
        try:
            sock.bind((source, 0))
            sock.connect(("127.0.0.1", self.port))
        except OSError:
            sock.close()
            self.refused += 1
            return None
        sock.setblocking(False)
        return sock

    def _close_all(self) -> None:
        for client in self._clients:
            if client.sock is not None:
                client.sock.close()


def _is_gone(sock: socket.socket) -> bool:
    """Tell whether the other end closed, without reading."""
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    return bool(poll.poll(0))
