"""The legend of a graph: a table of names and numbers, or a list of names.

It never draws more than fits, and says how many are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboards.preview import colors, units
from dashboards.preview.canvas import fit, width_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dashboards.preview.asking import Series
    from dashboards.preview.canvas import Area, Canvas
    from dashboards.preview.settings import Settings

_LINE, _SIZE, _KEY = 18, 11.5, 18
_NAMES = {"lastNotNull": "last", "last": "last", "mean": "mean", "max": "max", "min": "min", "sum": "total"}


def _last(numbers: Sequence[float]) -> float:
    return numbers[-1]


#: What is not here is the last value.
_CALCULATIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "min": min,
    "max": max,
    "sum": math.fsum,
    "count": len,
    "mean": lambda numbers: math.fsum(numbers) / len(numbers),
    "range": lambda numbers: max(numbers) - min(numbers),
    "first": lambda numbers: numbers[0],
    "firstNotNull": lambda numbers: numbers[0],
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One series as it is drawn."""

    series: Series
    settings: Settings
    color: str


def reduced(series: Series, how: str) -> float:
    """Return one number for a series, NaN where it has none; `how` is Grafana's name of the calculation."""
    numbers = series.numbers
    if not numbers:
        return math.nan
    return float(_CALCULATIONS.get(how, _last)(numbers))


def height(entries: Sequence[Entry], options: Mapping[str, Any], room: float) -> float:
    """Return the pixels that the legend takes below a graph, at most a good third of the room."""
    if not options.get("showLegend", True) or options.get("displayMode") == "hidden" or not entries:
        return 0.0
    lines = len(entries) + 1 if options.get("displayMode") == "table" else math.ceil(len(entries) / 3)
    return float(min(max(lines, 1) * _LINE, max(room * 0.38, _LINE)))


def draw(canvas: Canvas, entries: Sequence[Entry], options: Mapping[str, Any], box: Area) -> None:
    """Draw the legend into a box (x, y, width, height)."""
    if options.get("displayMode") == "table":
        _table(canvas, entries, [how for how in options.get("calcs", ()) if how in _NAMES], box)
    else:
        _list(canvas, entries, box)


def _table(canvas: Canvas, entries: Sequence[Entry], hows: Sequence[str], box: Area) -> None:
    x, y, w, h = box
    lines = int(h // _LINE) - 1
    shown = entries if len(entries) <= lines else _largest(entries, lines - 1)
    right = x + w
    for how in reversed(hows):
        texts = [_text(entry, how) for entry in shown]
        canvas.text(right, y + _LINE / 2, _NAMES[how], _SIZE, colors.QUIET, ha="right")
        for line, text in enumerate(texts, start=1):
            canvas.text(right, y + line * _LINE + _LINE / 2, text, _SIZE, ha="right")
        right -= max(width_of(text, _SIZE) for text in [*texts, _NAMES[how]]) + 20
    for line, entry in enumerate(shown, start=1):
        middle = y + line * _LINE + _LINE / 2
        canvas.box((x, middle - 2, 12, 4), entry.color, round_by=1.5)
        canvas.text(x + _KEY, middle, fit(entry.series.name, right - x - _KEY, _SIZE), _SIZE)
    if len(shown) < len(entries):
        left = f"and {len(entries) - len(shown)} more"
        canvas.text(x + _KEY, y + (len(shown) + 1.5) * _LINE, left, _SIZE, colors.QUIET)


def _text(entry: Entry, how: str) -> str:
    return units.text(reduced(entry.series, how), entry.settings.unit, entry.settings.decimals)


def _largest(entries: Sequence[Entry], count: int) -> list[Entry]:
    """Return the `count` entries with the highest values, in their order: a legend of ours can't be scrolled."""
    best = sorted(entries, key=lambda entry: -max(entry.series.numbers))[: max(count, 0)]
    return [entry for entry in entries if entry in best]


def _list(canvas: Canvas, entries: Sequence[Entry], box: Area) -> None:
    x, y, w, h = box
    at, middle = x, y + _LINE / 2
    for number, entry in enumerate(entries):
        name = fit(entry.series.name, w - _KEY, _SIZE)
        wide = _KEY + width_of(name, _SIZE) + 14
        if at > x and at + wide > x + w:
            at, middle = x, middle + _LINE
        if middle + _LINE > y + h and number < len(entries) - 1 and at + 2 * wide > x + w:
            canvas.text(at, middle, f"and {len(entries) - number} more", _SIZE, colors.QUIET)
            return
        canvas.box((at, middle - 2, 12, 4), entry.color, round_by=1.5)
        canvas.text(at + _KEY, middle, name, _SIZE)
        at += wide
