"""One client's connection: waitress's channel, which knows how long its client has kept it waiting."""

from __future__ import annotations

import math
import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from waitress.channel import HTTPChannel  # type: ignore[import-untyped]

from inventory_service.http.client_address import one_spelling
from inventory_service.server import limits
from inventory_service.server.request import Request
from inventory_service.server.response import Answer, Refusal

if TYPE_CHECKING:
    from inventory_service.server.listener import Listener


class Connection(HTTPChannel):  # type: ignore[misc]
    """Reads and writes in the server's loop; only complete requests reach a thread of the application."""

    server: Listener
    request: Request | None
    requests: list[Request]
    task_class = Answer
    error_task_class = Refusal

    def __init__(self, server: Listener, sock: socket.socket, addr: Any, adj: Any, map: Any = None) -> None:  # noqa: A002 - waitress's name
        self.peer = one_spelling(addr[0])
        self.limited = not server.connections.is_exempt(addr[0], int(server.effective_port))
        self.parser_class = partial(Request, server.connections)
        self._idle_since = time.monotonic()
        self._answer_began = 0.0
        self._taken = 0
        self._lingers_until: float | None = None
        super().__init__(server, sock, addr, adj, map)
        server.connections.make_room(self)

    def add_channel(self, map: Any = None) -> None:  # noqa: A002 - waitress's name
        """Be known to the server."""
        super().add_channel(map)
        self.server.connections.add(self)

    def del_channel(self, map: Any = None) -> None:  # noqa: A002 - waitress's name
        """Be forgotten by the server."""
        super().del_channel(map)
        self.server.connections.remove(self)

    def waited(self, now: float) -> float | None:
        """Return for how many seconds it has waited for its client; None while the client waits for us."""
        if self.total_outbufs_len:
            return now - self._answer_began
        if self.requests:
            return None
        request = self.request
        return request.waited(now) if request else now - self._idle_since

    def is_overdue(self, now: float) -> bool:
        """Tell whether the client has been too slow, or silent for too long."""
        if self._lingers_until is not None:
            return now > self._lingers_until
        if self.total_outbufs_len:
            return now - self._answer_began > limits.GRACE_SECONDS + self._taken / limits.LEAST_RATE
        if self.requests:
            return False
        request = self.request
        return request.is_overdue(now) if request else now - self._idle_since > limits.IDLE_SECONDS

    def is_idle(self) -> bool:
        """Tell whether neither a request nor an answer is on its way."""
        return not (self.total_outbufs_len or self.requests or self.request)

    def reserved(self) -> int:
        """Return how many bytes are kept free for large bodies."""
        return sum(each.reserved for each in (*self.requests, self.request) if each)

    def readable(self) -> bool:
        """Tell whether to read from the client."""
        return self._lingers_until is not None or super().readable()

    def writable(self) -> bool:
        """Tell whether there is something to send, or to end."""
        return self._lingers_until is None and bool(super().writable())

    def handle_read(self) -> None:
        """Read from the client; what it sends after our last answer is thrown away."""
        if self._lingers_until is None:
            super().handle_read()
        else:
            self.recv(self.adj.recv_bytes)

    def handle_write(self) -> None:
        """Send what is ready, and end a connection whose last answer was sent."""
        self._flush_exception(self._flush_some_if_lockable if self.requests else self._flush_some)
        if self.will_close:
            self.handle_close()
        elif self.close_when_flushed and not self.total_outbufs_len:
            self._linger()

    def _linger(self) -> None:
        """Send no more, but read on for a while: closing now would take the answer from a client that still sends."""
        self._lingers_until = time.monotonic() + limits.LINGER_SECONDS
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.handle_close()

    def send(self, data: bytes, do_close: bool = True) -> int:  # noqa: FBT001, FBT002 - waitress's signature
        """Send some bytes; return how many."""
        sent: int = super().send(data, do_close)
        self._taken += sent
        return sent

    def write_soon(self, data: Any) -> int:
        """Keep a part of an answer until its client takes it. Raise ClientDisconnected."""
        if not self.total_outbufs_len:
            self._answer_began, self._taken = time.monotonic(), 0
        written: int = super().write_soon(data)
        if self.total_outbufs_len > limits.STREAM_BYTES:
            self.server.trigger.pull_trigger(self.server.connections.relieve)
        return written

    def service(self) -> None:
        """Answer the oldest request, in a thread of the application."""
        # The loop may look between the end of the answer and ours: until then the client has not been silent.
        self._idle_since = math.inf
        with self.server.connections.work():
            super().service()
        self._idle_since = time.monotonic()
