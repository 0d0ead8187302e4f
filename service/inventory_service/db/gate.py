"""A gate before something that only so many threads may use at a time; the others wait in line, but not for long.

It bounds what a database that hangs can hold up: the threads beyond its places go on answering.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from inventory_service.db.faults import DatabaseUnavailable, Fault

if TYPE_CHECKING:
    from types import TracebackType

#: How long the line may stand still.
PATIENCE_SECONDS: Final = 2.0


class Gate:
    """Lets `places` threads in at a time, in the order in which they came.

    A thread waits as long as the line moves. Once nobody has come in or out for `patience` seconds, those that wait and
    those that come are refused, until somebody leaves: else a database that hangs would take all threads, one by one.
    """

    def __init__(self, places: int, patience: float = PATIENCE_SECONDS) -> None:
        self.patience = patience
        self._places = self._free = places
        self._lock = threading.Lock()
        self._line: deque[threading.Event] = deque()
        self._moved_at = time.monotonic()

    def __enter__(self) -> None:
        """Come in. Raise DatabaseUnavailable where the line stands still."""
        with self._lock:
            if self._free:
                self._free -= 1
                self._moved_at = time.monotonic()
                return
            mine = threading.Event()
            self._line.append(mine)
        while not mine.wait(max(self._moved_at + self.patience - time.monotonic(), 0)):
            self._give_up_if_it_stands_still(mine)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave, and let the next one in."""
        with self._lock:
            self._moved_at = time.monotonic()
            if self._line:
                self._line.popleft().set()
            else:
                self._free += 1

    def _give_up_if_it_stands_still(self, mine: threading.Event) -> None:
        with self._lock:
            if mine.is_set() or time.monotonic() < self._moved_at + self.patience:
                return
            self._line.remove(mine)
        busy = f"none of {self._places} transactions at a time has ended for {self.patience:g} s"
        raise DatabaseUnavailable(Fault.BUSY, busy)
