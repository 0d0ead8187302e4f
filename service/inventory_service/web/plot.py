"""The stock of a product over time, as the geometry of a step line: a stock stays what it is until it changes.

The template draws it, with classes that the style sheet colours (an inline style would need a looser
Content-Security-Policy). Libraries were looked at: pygal has no step lines and brings its styles and scripts inline,
leather has none either and no titles for screen readers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from inventory_service.db.models import StockMovement

_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 14, 30
_STEPS: Final = (1, 2, 5)
_MOST_LABELS: Final = 5
_MINUTES: Final = timedelta(minutes=10)
_DAY: Final = timedelta(days=1)
_YEAR: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Label:
    """A mark on an axis, and its text."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Plot:
    """All that the template draws, in pixels."""

    width: int
    height: int
    left: int
    right: int
    bottom: int
    path: str
    threshold: float
    stocks: Sequence[Label]
    times: Sequence[Label]


def plot(trail: Sequence[StockMovement], threshold: int, now: datetime, width: int, height: int = 240) -> Plot:
    """Return the line through the movements, the oldest first, up to now; there must be at least one."""
    start, end = trail[0].at, max(now, trail[0].at + timedelta(seconds=1))
    first = trail[0].balance_after - trail[0].delta
    largest = max(threshold, first, *(movement.balance_after for movement in trail))
    step = _step(largest)
    top = max(step, -(-largest // step) * step)
    right, bottom = width - _RIGHT, height - _BOTTOM

    def x(at: datetime) -> float:
        # Clocks of several pods differ: what seems to be before the start is drawn there.
        return round(_LEFT + (right - _LEFT) * ((max(at, start) - start) / (end - start)), 1)

    def y(units: int) -> float:
        return round(bottom - (bottom - _TOP) * (units / top), 1)

    moves = "".join(f"H{x(movement.at)}V{y(movement.balance_after)}" for movement in trail)
    return Plot(
        width=width,
        height=height,
        left=_LEFT,
        right=right,
        bottom=bottom,
        path=f"M{_LEFT} {y(first)}{moves}H{right}",
        threshold=y(threshold),
        stocks=[Label(y(units), short(units)) for units in range(0, top + 1, step)],
        times=[Label(x(at), _time(at, end - start)) for at in _marks(start, end, width)],
    )


def short(units: int) -> str:
    """Return a number as it fits beside an axis."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**4, "k")):
        if units >= size:
            return f"{units / (1000 if letter == 'k' else size):g}{letter}"
    return str(units)


def _step(largest: int) -> int:
    """Return the round distance between labels: 1, 2 or 5 times a power of ten."""
    power = 1
    while True:
        for factor in _STEPS:
            if largest <= factor * power * (_MOST_LABELS - 1):
                return factor * power
        power *= 10


def _marks(start: datetime, end: datetime, width: int) -> Sequence[datetime]:
    parts = 4 if width > 500 else 2  # noqa: PLR2004 - so many labels fit
    return [start + (end - start) * part / parts for part in range(parts + 1)]


def _time(at: datetime, span: timedelta) -> str:
    if span < _DAY:
        return f"{at:%H:%M:%S}" if span < _MINUTES else f"{at:%H:%M}"
    return f"{at.day} {at:%b}" if span < _YEAR else f"{at:%b %Y}"
