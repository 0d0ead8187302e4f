"""How much each namespace may use of something that all share: so much at once, and then so much in each second.

A token bucket for each namespace; what it counts, the user of it says.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True)
class Shares:
    """The namespaces and what they have used."""

    #: How much at once, and how much in each second.
    burst: float
    rate: float
    #: Seconds, which only ever grow.
    clock: Callable[[], float] = time.monotonic
    #: When each namespace will have had its share of all that it used.
    _even: dict[str, float] = field(default_factory=dict)

    def pause(self, namespace: str) -> float:
        """Return in how many seconds a namespace may go on."""
        return max(0.0, self._even.get(namespace, 0.0) - self.clock() - self.burst / self.rate)

    def charge(self, namespace: str, amount: float) -> None:
        """Count what a namespace used."""
        now = self.clock()
        self._even = {name: at for name, at in self._even.items() if at > now}
        self._even[namespace] = max(now, self._even.get(namespace, now)) + amount / self.rate
