"""What is remembered of one child between two reconciles, beyond what its live object tells.

Losing it (a restart of the operator) costs no write; it never outlives the process.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inventory_operator.cluster import ApiError

#: How long a refusal that only a person can cure is believed before the same request is tried again: doubling.
FIRST_REFUSAL_SECONDS = 15.0
LONGEST_REFUSAL_SECONDS = 300.0
_MAX_DOUBLINGS = 10


@dataclass(slots=True)
class Memory:
    """The last word of the API server about one child; `stamp` is the digest of a manifest."""

    #: (resource version, stamp) that was compared and found in sync.
    verified: tuple[int, str] | None = None
    #: (stamp, our managed fields) right after our last apply: what the API server made of it, whatever it dropped.
    applied: tuple[str, bytes] | None = None
    _refused: tuple[str, bytes, ApiError] | None = None
    _refusals: int = 0
    _not_before: float = 0.0

    def succeeded(self, stamp: str, owned: bytes, version: int) -> None:
        """Remember that a write was accepted."""
        self.applied = (stamp, owned)
        self.verified = (version, stamp)
        self._refused, self._refusals = None, 0

    def failed(self, stamp: str, owned: bytes, error: ApiError) -> None:
        """Remember that a write was refused, if the same write would be refused again."""
        if error.permanent:
            pause = min(LONGEST_REFUSAL_SECONDS, FIRST_REFUSAL_SECONDS * 2**self._refusals)
            self._refusals = min(self._refusals + 1, _MAX_DOUBLINGS)
            self._refused = (stamp, owned, error)
            self._not_before = time.monotonic() + pause

    def raise_if_refused(self, stamp: str, owned: bytes) -> None:
        """Raise the remembered ApiError instead of sending the same write for the same object again so soon."""
        if self._refused and self._refused[:2] == (stamp, owned) and time.monotonic() < self._not_before:
            raise self._refused[2]

    @property
    def retry_seconds(self) -> float:
        """Seconds until the refused write may be sent again."""
        return max(0.1, self._not_before - time.monotonic())
