"""Durations as Prometheus and Grafana write them, and the steps that Grafana would ask for. Pure.

It never looks at a clock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdwy])")
#: Steps that a person can read off an axis.
_NICE = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


class PanelError(Exception):
    """A panel can't be asked for; the message says what is wrong with it."""


def seconds(text: str) -> float:
    """Return the seconds of "15m" or "1h30m"; PanelError where it is no duration."""
    if not text or _PART.sub("", text):
        raise PanelError(f"{text!r} is no duration: expected something like 15m or 200h")
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


def duration(amount: float) -> str:
    """Return seconds as a duration that PromQL takes."""
    return f"{round(amount)}s" if amount >= 1 else f"{round(amount * 1000)}ms"


def nice(wanted: float) -> float:
    """Return the next larger step that a person can read off an axis."""
    return next((float(step) for step in _NICE if step >= wanted), wanted)


@dataclass(frozen=True, slots=True)
class Window:
    """What is looked at: from `start` to `end` (Unix time), with the seconds between two scrapes."""

    start: float
    end: float
    scrape: float

    @property
    def range(self) -> float:
        """Return the length in seconds."""
        return self.end - self.start

    def interval(self, points: int, least: float = 0.0) -> float:
        """Return the step in seconds for about `points` points, never below the scrape interval or `least`.

        Grafana rounds to the nearest readable step (rangeUtil.roundInterval), not to the next larger one.
        """
        wanted = self.range / points
        above = nice(wanted)
        below = max((float(step) for step in _NICE if step < above), default=above)
        return max(above if wanted >= (above + below) / 2 else below, least or self.scrape)

    def rate_interval(self, interval: float) -> float:
        """Return $__rate_interval in seconds, as Grafana's documentation of the Prometheus data source defines it."""
        return max(interval + self.scrape, 4 * self.scrape)
