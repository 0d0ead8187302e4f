"""All connections: how many there may be, how much they may hold, and which one goes where there is no room."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from inventory_service.server import limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from inventory_service.server.connection import Connection
    from inventory_service.server.request import Request

_log = structlog.get_logger(__name__)


class Connections:
    """The connections of one server, over all its listeners. It is used by the server's loop, `work` by its threads."""

    def __init__(self, body_limit: Callable[[str], int], is_exempt: Callable[[str, int], bool]) -> None:
        self.limit = body_limit
        #: Whether an address may have any number of connections at a port: a proxy's clients share its address.
        self.is_exempt = is_exempt
        self._all: set[Connection] = set()
        self._of_peer: Counter[str] = Counter()
        #: By thread: since when it has been at one request.
        self._working: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, connection: Connection) -> None:
        """Know one more."""
        self._all.add(connection)
        self._of_peer[connection.peer] += 1

    def remove(self, connection: Connection) -> None:
        """Forget one."""
        if connection in self._all:
            self._all.remove(connection)
            self._of_peer[connection.peer] -= 1
            if not self._of_peer[connection.peer]:
                del self._of_peer[connection.peer]

    def make_room(self, connection: Connection) -> None:
        """Close what keeps us waiting longest where the new `connection` is one too many, else that one."""
        if connection.limited and self._of_peer[connection.peer] > limits.CONNECTIONS_OF_A_PEER:
            self._close_longest(each for each in self._all if each.peer == connection.peer)
        elif len(self._all) > limits.CONNECTIONS:
            self._close_longest(self._all)

    def reserve(self, request: Request, size: int) -> bool:
        """Tell whether there is room for a large body of at most `size` bytes, and keep it for the request."""
        now = time.monotonic()
        if self._reserved() + size > limits.LARGE_BODIES_BYTES:
            for each in list(self._all):
                if each.reserved() and (each.waited(now) or 0) > limits.LARGE_BODY_SECONDS:
                    each.handle_close()
        if self._reserved() + size > limits.LARGE_BODIES_BYTES:
            return False
        request.reserved = size
        return True

    def relieve(self) -> None:
        """Close those that take longest to take their answers, where the answers are more than we keep."""
        now = time.monotonic()
        held = sum(each.total_outbufs_len for each in self._all)
        taking = [each for each in self._all if each.total_outbufs_len]
        taking.sort(key=lambda each: each.waited(now) or 0.0)
        while held > limits.ANSWERS_BYTES and len(taking) > 1:  # the newest answer is never the one to go
            slowest = taking.pop()
            held -= slowest.total_outbufs_len
            slowest.handle_close()

    def close_overdue(self) -> None:
        """Close those whose clients are too slow."""
        now = time.monotonic()
        for connection in [each for each in self._all if each.is_overdue(now)]:
            connection.handle_close()

    def close_idle(self, seconds: float) -> None:
        """Close those that have been idle for so long."""
        now = time.monotonic()
        for connection in [each for each in self._all if each.is_idle() and (each.waited(now) or 0) >= seconds]:
            connection.handle_close()

    @contextmanager
    def work(self) -> Iterator[None]:
        """Note that this thread is at a request."""
        thread = threading.get_ident()
        self._working[thread] = time.monotonic()
        try:
            yield
        finally:
            del self._working[thread]

    def standstill(self, threads: int) -> float:
        """Return for how many seconds all of so many threads have been at the same requests; 0 if one is free."""
        begun = list(self._working.values())
        return time.monotonic() - max(begun) if len(begun) >= threads else 0.0

    def _reserved(self) -> int:
        return sum(each.reserved() for each in self._all)

    def _close_longest(self, among: Iterable[Connection]) -> None:
        """Close the one that has waited longest for its client; one that is at work waits for nobody."""
        now = time.monotonic()

        def waited(connection: Connection) -> float:
            seconds = connection.waited(now)
            return -1.0 if seconds is None else seconds

        chosen = max(among, key=waited)
        _log.debug("connection closed to make room", client=chosen.peer, waited=round(waited(chosen), 1))
        chosen.handle_close()
