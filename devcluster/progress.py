"""Tells a waiting person what is being done and how long it may still take.

Only computes and prints; it never decides what is done next.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field

_MINUTE = 60
#: Seconds between two lines for somebody who reads a log; a terminal gets its line rewritten each second.
_LOG_EVERY = 20.0


def duration(seconds: float) -> str:
    """Return `seconds` for people: "8 s", "3 min 20 s"."""
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    minutes, rest = divmod(whole, _MINUTE)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def time_left(done: float, spent: float, remaining: float, current: float) -> float:
    """Return the seconds left: measured weights, scaled by how this machine did so far.

    `done`, `remaining`: weights of the steps finished and not yet finished (the current one included);
    `spent`: seconds that the finished ones took; `current`: seconds already spent on the current one.
    """
    pace = spent / done if done else 1.0
    return max(1.0, remaining * pace - current)


@dataclass
class Progress:
    """Steps with weights (seconds measured on two cores); `begin` and `finish` each, `tick` while waiting."""

    weights: dict[str, float]
    started: dict[str, float] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)
    _printed: float = 0.0

    def begin(self, step: str) -> None:
        """Start `step` and say so."""
        self.started[step] = self._printed = time.monotonic()
        self._say(step)

    def tick(self, step: str) -> None:
        """Say how `step` goes, now and then."""
        now = time.monotonic()
        if now - self._printed >= (1.0 if sys.stderr.isatty() else _LOG_EVERY):
            self._printed = now
            self._say(step)

    def finish(self, step: str) -> None:
        """End `step` and say how long it took."""
        self.took[step] = time.monotonic() - self.started[step]
        self._write(f"{step}: done in {duration(self.took[step])}", final=True)

    def left(self, step: str) -> float:
        """Return the seconds left for this step and those after it."""
        done = sum(self.weights[name] for name in self.took)
        remaining = sum(weight for name, weight in self.weights.items() if name not in self.took)
        return time_left(done, sum(self.took.values()), remaining, time.monotonic() - self.started[step])

    def _say(self, step: str) -> None:
        place = f"[{len(self.took) + 1}/{len(self.weights)}]"
        self._write(f"{place} {step} ... about {duration(self.left(step))} left for everything", final=False)

    def _write(self, text: str, *, final: bool) -> None:
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="\n" if final else "", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)
