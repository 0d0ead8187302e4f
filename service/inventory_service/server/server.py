"""The server: a loop that does all waiting for clients, and threads that answer complete requests."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from waitress import wasyncore  # type: ignore[import-untyped]
from waitress.task import ThreadedTaskDispatcher  # type: ignore[import-untyped]

from inventory_service.server.listener import Listener, adjustments
from inventory_service.server.queue import FairQueue

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from inventory_service.server.connections import Connections

#: How often the loop looks for clients that are too slow.
_TURN_SECONDS: Final = 1.0
#: How long the requests in flight may take once the listeners are closed.
_LAST_REQUESTS_SECONDS: Final = 20.0
#: Then a connection is kept until it was idle for so long, if the service drained: its client may ask just now.
_LAST_IDLE_SECONDS: Final = 5.0


class Server:
    """Serves an application at some sockets until it was told to end, and all requests were answered."""

    def __init__(
        self, application: Any, sockets: Sequence[socket.socket], threads: int, connections: Connections
    ) -> None:
        self.threads = threads
        self.connections = connections
        #: When the loop last came around, on the monotonic clock.
        self.turned_at = time.monotonic()
        self._looked_at = self.turned_at
        self._ends_at: float | None = None
        self._drain_seconds = 0.0
        self._map: dict[int, Any] = {}
        self._dispatcher = ThreadedTaskDispatcher()
        self._dispatcher.queue = FairQueue()
        self._dispatcher.set_thread_count(threads)
        shared = {"map": self._map, "dispatcher": self._dispatcher, "adj": adjustments()}
        self._listeners = [
            Listener(application, each, connections, lambda: self.draining, **shared) for each in sockets
        ]

    @property
    def draining(self) -> bool:
        """Whether it was told to end."""
        return self._ends_at is not None

    def end(self, drain_seconds: float) -> None:
        """Serve on for so long, then accept no more, and return from `run`. A signal handler may call it."""
        self._drain_seconds = drain_seconds
        self._ends_at = time.monotonic() + drain_seconds
        self._listeners[0].pull_trigger()

    def run(self) -> None:
        """Serve. It returns once the last request was answered, or took too long."""
        while self._ends_at is None or time.monotonic() < self._ends_at:
            self._turn(self._ends_at)
        for listener in self._listeners:
            listener.stop_accepting()
        deadline = time.monotonic() + _LAST_REQUESTS_SECONDS
        # One more turn at least: what has arrived is read before a connection counts as idle.
        self._turn(0.0)
        while len(self.connections) and time.monotonic() < deadline:
            self.connections.close_idle(_LAST_IDLE_SECONDS if self._drain_seconds else 0.0)
            self._turn(deadline)
        self._dispatcher.shutdown(timeout=max(0.0, deadline - time.monotonic()))

    def _turn(self, until: float | None) -> None:
        """Wait for something to happen, and do what it asks for."""
        seconds = _TURN_SECONDS if until is None else min(_TURN_SECONDS, max(0.0, until - time.monotonic()))
        wasyncore.poll2(seconds, self._map)
        now = time.monotonic()
        if now - self._looked_at >= _TURN_SECONDS:
            self._looked_at = now
            self.connections.close_overdue()
        self.turned_at = now
