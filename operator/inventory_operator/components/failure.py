"""What the house reports when a child could not be made as it should be.

Only the record: it is made where writes are made and read where the status is made.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    """One child that could not be made so: why, and whether only a person can cure it."""

    component: str
    child: str
    reason: str
    message: str
    permanent: bool
    retry_seconds: float | None = None
