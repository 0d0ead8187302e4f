"""How one watch is doing: whether it shows the cluster as it is, why not, and when it last gave a sign of life.

It watches nothing; who watches says what happens.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from inventory_operator import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = structlog.get_logger(__name__)

#: A watch breaks now and then and is back at once; only what lasts is told.
GRACE_SECONDS = 5.0
#: Longer than any request, silence or pause between two tries: who gave no sign of life for so long hangs.
STUCK_SECONDS = 400.0


@dataclass(slots=True)
class WatchState:
    """The state of the watch of one kind; times are of the monotonic clock."""

    kind: str
    #: What else names it in the log.
    context: Mapping[str, str] = field(default_factory=dict)
    #: Whether everything was listed once.
    listed: bool = False
    error: str | None = None
    broken_at: float = 0.0
    #: Before the first try it is not late.
    heard_at: float = math.inf
    #: Seconds, which only ever grow.
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        metrics.WATCH_FAILURES.labels(self.kind)

    def heard(self) -> None:
        """Note a sign of life: an event, an answer, another try."""
        self.heard_at = self.clock()

    def works(self) -> None:
        """Note that the watch is open."""
        self.heard()
        if self.error:
            seconds = round(self.clock() - self.broken_at, 1)
            log.info("watch is back", kind=self.kind, **self.context, seconds=seconds)
            self.error = None

    def broke(self, error: str) -> None:
        """Note that nothing is seen now; the same reason is logged once."""
        self.heard()
        metrics.WATCH_FAILURES.labels(self.kind).inc()
        if not self.error:
            self.broken_at = self.clock()
        if error != self.error:
            log.warning("watch broke", kind=self.kind, **self.context, error=error)
        self.error = error

    def problem(self) -> str | None:
        """Return why this kind is not seen as it is, in words; None where it is."""
        if not self.listed:
            return f"{self.kind}: not listed yet" + (f": {self.error}" if self.error else "")
        return f"{self.kind}: not watched: {error}" if (error := self.lasting_error()) else None

    def lasting_error(self) -> str | None:
        """Return why the watch has been broken for longer than GRACE_SECONDS; None where it has not."""
        return self.error if self.error and self.clock() - self.broken_at > GRACE_SECONDS else None

    def stuck(self) -> str | None:
        """Return since when there was no sign of life, in words; None where there was one."""
        age = self.clock() - self.heard_at
        return f"{self.kind}: the watch gave no sign of life for {age:.0f} s" if age > STUCK_SECONDS else None
