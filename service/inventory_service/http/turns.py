"""Work of which little is done at a time: a request beyond that waits briefly, then is a 503.

So neither the memory nor the threads of the service go to one kind of request.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Final

from inventory_service.http.errors import RETRY_SECONDS, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How long a request waits for its turn.
PATIENCE_SECONDS: Final = 2.0


class Busy(Unavailable):
    """Too many do the same at this moment."""

    problem_code = "busy"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, retry_after=RETRY_SECONDS)


class Turns:
    """So many requests `at_once`, and so many that are `waiting`, for each of them holds a thread."""

    def __init__(self, at_once: int, waiting: int, sentence: str) -> None:
        self._turns = BoundedSemaphore(at_once)
        self._places = BoundedSemaphore(at_once + waiting)
        self._sentence = sentence

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Be one of those whose turn it is. Raise Busy."""
        if not self._places.acquire(blocking=False):
            raise Busy(self._sentence)
        try:
            if not self._turns.acquire(timeout=PATIENCE_SECONDS):
                raise Busy(self._sentence)
            try:
                yield
            finally:
                self._turns.release()
        finally:
            self._places.release()
