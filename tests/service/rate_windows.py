"""The windows in which the memory of a rate limit counts: whole hours by the clock.

When one ends, some of what was counted in it is forgotten: more requests are let through than the rate says.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

HOUR = 3600
#: The middle of an hour, and of a minute.
MIDDLE = 500_000 * HOUR + 1830.0


def within_one_hour(look: Callable[[], T]) -> T:
    """Return what `look` finds, which counts afresh each time, when no hour ends meanwhile."""
    while True:
        hour = time.time() // HOUR
        found = look()
        if time.time() // HOUR == hour:
            return found
