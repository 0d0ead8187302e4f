"""What is remembered of one child between two reconciles, beyond what its live object tells.

Losing it (a restart of the operator) costs no write; it never outlives the process.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inventory_operator.kube.client import ApiError

#: How long a refusal is believed before the same request is tried again: doubling each time. One that only a person
#: can cure starts late; another may be gone in a moment (a Role that the authorizer has not seen yet, a quota).
FIRST_PAUSE_SECONDS = {True: 15.0, False: 0.1}
LONGEST_PAUSE_SECONDS = 300.0
_MAX_DOUBLINGS = 12


@dataclass(slots=True)
class ApplyState:
    """The last word of the API server about one child; `applied_hash` is the digest of a manifest."""

    #: (resource version, applied_hash) that was compared and found in sync.
    verified: tuple[int, str] | None = None
    #: (applied_hash, our managed fields) right after our last apply: what the API server made of it.
    applied: tuple[str, bytes] | None = None
    _refused: tuple[str, bytes, ApiError] | None = None
    _refusals: int = 0
    _not_before: float = 0.0

    def succeeded(self, applied_hash: str, owned: bytes, version: int) -> None:
        """Remember that a write was accepted."""
        self.applied = (applied_hash, owned)
        self.verified = (version, applied_hash)
        self._refused, self._refusals = None, 0

    def failed(self, applied_hash: str, state: bytes, error: ApiError) -> None:
        """Remember that a write was refused; `state` is what of the live object the refusal may depend on."""
        pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS[error.permanent] * 2**self._refusals)
        self._refusals = min(self._refusals + 1, _MAX_DOUBLINGS)
        self._refused = (applied_hash, state, error)
        self._not_before = time.monotonic() + pause

    def raise_if_backing_off(self, applied_hash: str, state: bytes) -> None:
        """Raise the remembered ApiError instead of sending the same write for the same object again so soon."""
        if self._refused and self._refused[:2] == (applied_hash, state) and time.monotonic() < self._not_before:
            raise self._refused[2]

    @property
    def retry_seconds(self) -> float:
        """Seconds until the refused write may be sent again."""
        return max(0.01, self._not_before - time.monotonic())
