"""What is remembered of one child between two reconciles, beyond what its live object tells.

Losing it, in a restart of the operator, costs no write.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inventory_operator.controller.contention import Contention
from inventory_operator.kube.client import ApiError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from inventory_operator.cache.store import Child
    from inventory_operator.controller.contention import Undone

#: How long a refusal is believed before the same request is tried again: doubling each time. One that only a person
#: can cure starts late; another may be gone in a moment (a Role that the authorizer has not seen yet, a quota).
FIRST_PAUSE_SECONDS = {True: 15.0, False: 0.1}
#: Who lifts a quota or a policy need not wait longer, and a refused write costs the API server little.
LONGEST_PAUSE_SECONDS = 20.0
_MAX_DOUBLINGS = 12


@dataclass(slots=True)
class ApplyState:
    """The last word of the API server about one child; `applied_hash` is the digest of a manifest."""

    component: str = ""
    clock: Callable[[], float] = time.monotonic
    #: What becomes of it with others who write it; None until they do.
    contention: Contention | None = None
    #: (resource version, applied_hash) that was compared and found in sync.
    verified: tuple[int, str] | None = None
    #: (applied_hash, our managed fields, digests of files) right after our last apply: what the API server made of it.
    applied: tuple[str, bytes, Mapping[str, str]] | None = None
    #: (resource version, applied_hash), and what stood in the way of adopting that object.
    not_adopted: tuple[tuple[int, str], str] | None = None
    #: Whether an object of that name may be there that the watches don't show: it has not our labels.
    hidden: bool = False
    #: What the last write that succeeded has written; None once another began.
    written: str | None = None
    _attempt: tuple[str, bytes] | None = None
    _error: Exception | None = None
    _failures: int = 0
    _not_before: float = 0.0

    def ask(self, applied_hash: str, state: bytes = b"") -> None:
        """Note what the API server is about to be asked; `state` is what of the live object its answer may depend on.

        Raises:
            Exception: the error that the same request for the same object met, while its pause is not over.

        """
        if self._error and self._attempt == (applied_hash, state) and self.clock() < self._not_before:
            # An exception keeps the traceback of each time that it was raised.
            raise self._error.with_traceback(None)
        self._attempt = (applied_hash, state)

    def begin(self, applied_hash: str, state: bytes = b"") -> None:
        """Note what is about to be written, and raise as `ask` does."""
        self.ask(applied_hash, state)
        self.written = None

    async def begin_round(
        self, wanted: str, look: Callable[[], Awaitable[Iterable[Undone]]], state: bytes = b""
    ) -> None:
        """Begin as `begin` does, and bound how often what was written before is written again.

        `look` tells what others have undone of it.

        Raises:
            LeftToOthersError: others keep undoing it; it is left to them for now.
            Exception: see `begin`.

        """
        if self.written != wanted:
            self.begin(wanted, state)
            return
        self.contention = self.contention or Contention(self.clock)
        await self.contention.wait(look)
        self.begin(wanted, state)
        self.contention.count()

    def succeeded(self) -> None:
        """Forget earlier failures, and remember what was written if anything was."""
        if self._attempt:
            self.written = self._attempt[0]
        self._attempt = self._error = None
        self._failures = 0

    def failed(self, error: Exception) -> None:
        """Remember that the write which began failed; an error that `begin` raised is remembered already."""
        if error is self._error:
            return
        permanent = isinstance(error, ApiError) and error.permanent
        pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS[permanent] * 2**self._failures)
        self._failures = min(self._failures + 1, _MAX_DOUBLINGS)
        self._error = error
        self._not_before = self.clock() + pause

    @property
    def retry_seconds(self) -> float:
        """Seconds until the write that failed may be sent again."""
        return max(0.01, self._not_before - self.clock())


def state_of(live: Child) -> bytes:
    """Return what a refusal depends on: a volume that is not bound yet can't grow, one that is can."""
    return live.owned + str(live.obj.get("status", {}).get("phase", "")).encode()
