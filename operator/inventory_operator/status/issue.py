"""What keeps a part of a stack from being as it should: a reason for programs, and a sentence for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Issue:
    """A reason in CamelCase, and a sentence that names the object and what to do."""

    reason: str
    message: str


def left_of(pause: timedelta, since: str, now: str) -> timedelta:
    """Return how much of `pause` is left after `since`; both times are RFC 3339, and may be of different clocks."""
    left = pause - (datetime.fromisoformat(now) - datetime.fromisoformat(since))
    return min(max(left, timedelta()), pause)
