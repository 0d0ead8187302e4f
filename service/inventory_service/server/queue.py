"""The queue of requests that wait for a thread: each client in its turn."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inventory_service.server.connection import Connection


class FairQueue:
    """A queue, as waitress uses one, in which a client with many requests waits for itself and not for others.

    A proxy's clients have connections of one address, so that behind a proxy the first to come is the first served.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[Connection]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, connection: Connection) -> None:
        """Let a connection wait whose request is complete."""
        self._waiting.setdefault(connection.peer, deque()).append(connection)
        self._length += 1

    def popleft(self) -> Connection:
        """Return the one whose turn it is; one must be waiting."""
        peer, connections = next(iter(self._waiting.items()))
        connection = connections.popleft()
        if connections:
            self._waiting.move_to_end(peer)
        else:
            del self._waiting[peer]
        self._length -= 1
        return connection
