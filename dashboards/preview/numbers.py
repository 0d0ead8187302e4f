"""Draws single numbers: stat, gauge and bargauge.

It never computes more than the one number that the panel's reduction asks for.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import Wedge

from dashboards.preview import colors, legends, settings, units
from dashboards.preview.canvas import fit, width_of
from dashboards.preview.graphs import dates, with_gaps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dashboards.preview.asking import Answer, Series
    from dashboards.preview.canvas import Canvas
    from dashboards.preview.settings import Settings

_MOST = 30
Shown = tuple["Series", "Settings", float, str]


def stat(canvas: Canvas, answer: Answer, top: float) -> None:
    """Draw big numbers, side by side."""
    for (series, own, value, text), (x, y, w, h) in _placed(canvas, answer, top):
        color = _color(answer, own, value)
        plain = color
        if answer.panel.options.get("colorMode") in {"background", "background_solid"}:
            canvas.box((x, y, w, h), color, alpha=0.85, round_by=3)
            plain = "#ffffff"
        if answer.panel.options.get("graphMode") == "area" and len(series.numbers) > 1:
            _spark(canvas, series, answer.step, plain, (x, y + h * 0.62, w, h * 0.38))
        named = _named(answer, series)
        size = max(min(h * (0.42 if named else 0.5), w / max(width_of(text, 1) + 1.2, 1), 52), 10)
        canvas.text(x + w / 2, y + h * (0.58 if named else 0.46), text, size, plain, ha="center", weight="bold")
        if named:
            canvas.text(x + w / 2, y + h * 0.2, fit(named, w - 8, 12), 12, plain, ha="center")


def bargauge(canvas: Canvas, answer: Answer, top: float) -> None:
    """Draw one horizontal bar for each series."""
    shown = _shown(answer)
    if not shown:
        return
    room = canvas.height - top - 10
    line = min(room / len(shown), 34)
    names = min(max(width_of(series.name, 12) for series, *_ in shown) + 8, canvas.width * 0.42)
    texts = max(width_of(text, 12, bold=True) for *_, text in shown) + 10
    least, most = _range(shown)
    wide = canvas.width - 28 - names - texts
    for number, (series, own, value, text) in enumerate(shown):
        y, color = top + number * line, own.threshold_color(value)
        middle, thick = y + line / 2, max(line * 0.7, 3)
        canvas.text(14 + names - 8, middle, fit(series.name, names - 8, min(12, line)), min(12, line), ha="right")
        canvas.box((14 + names, middle - thick / 2, wide, thick), colors.GRID, alpha=0.6)
        share = min(max((value - least) / (most - least), 0), 1) if math.isfinite(value) else 0
        canvas.box((14 + names, middle - thick / 2, max(wide * share, 2), thick), color)
        canvas.text(canvas.width - 14, middle, text, min(12, line), color, ha="right", weight="bold")


def gauge(canvas: Canvas, answer: Answer, top: float) -> None:
    """Draw arcs from the least to the greatest value, with the thresholds around them."""
    for (series, own, value, text), (x, y, w, h) in _placed(canvas, answer, top):
        least, most = _range([(series, own, value, text)])
        axes = canvas.axes((x, y, w, h))
        axes.set_axis_off()
        axes.set_aspect("equal")
        axes.set(xlim=(-1.15, 1.15), ylim=(-0.55, 1.15))
        color = own.threshold_color(value)
        share = min(max((value - least) / (most - least), 0), 1) if math.isfinite(value) else 0
        for part, inner, wide, shade in ((1.0, 0.9, 0.24, colors.GRID), (share, 0.9, 0.24, color)):
            axes.add_patch(Wedge((0, 0), inner, 200 - 220 * part, 200, width=wide, color=shade, linewidth=0))
        _rim(axes.add_patch, own, least, most)
        size = min(h * 0.2, w * 0.14)
        canvas.text(x + w / 2, y + h * 0.62, text, size, color, ha="center", weight="bold")
        canvas.text(x + w / 2, y + h * 0.92, fit(_named(answer, series), w, 12), 12, ha="center")


def _rim(add: object, own: Settings, least: float, most: float) -> None:
    assert callable(add)
    steps = colors.steps(own.get("thresholds", {}), own.get("min"), own.get("max"))
    for number, (limit, color) in enumerate(steps):
        begin = least if limit is None else limit
        end = steps[number + 1][0] if number + 1 < len(steps) else most
        if end is None or end <= begin or begin >= most:
            continue
        first, last = ((min(edge, most) - least) / (most - least) * 220 for edge in (max(begin, least), end))
        add(Wedge((0, 0), 0.98, 200 - last, 200 - first, width=0.05, color=color, linewidth=0))


def _shown(answer: Answer) -> list[Shown]:
    """Return the series with their numbers and texts, as many as can be read."""
    calcs = answer.panel.options.get("reduceOptions", {}).get("calcs") or ["lastNotNull"]
    found: list[Shown] = []
    for series in answer.series[:_MOST]:
        own = settings.of(answer.panel, series.name, series.ref)
        value = legends.reduced(series, calcs[0])
        text, _ = colors.mapped(own.get("mappings", ()), value)
        found.append((series, own, value, text or units.text(value, own.unit, own.decimals)))
    return found


def _placed(canvas: Canvas, answer: Answer, top: float) -> Iterator[tuple[Shown, tuple[float, float, float, float]]]:
    """Yield each number with its box, in as many columns as leave room for the texts."""
    shown = _shown(answer)
    wide, high = canvas.width - 20, canvas.height - top - 8
    columns = max(1, min(len(shown), max(1, int(wide // 110)), math.ceil(math.sqrt(len(shown) * wide / max(high, 1)))))
    rows = math.ceil(len(shown) / columns)
    for number, each in enumerate(shown):
        w, h = wide / columns, high / rows
        yield each, (10 + number % columns * w + 2, top + number // columns * h + 2, w - 4, h - 4)


def _named(answer: Answer, series: Series) -> str:
    mode = answer.panel.options.get("textMode", "auto")
    return series.name if mode in {"name", "value_and_name"} or (mode == "auto" and len(answer.series) > 1) else ""


def _color(answer: Answer, own: Settings, value: float) -> str:
    if answer.panel.options.get("colorMode") == "none":
        return colors.TEXT
    return own.color(0, value) if own.get("color", {}).get("mode") == "fixed" else own.threshold_color(value)


def _range(shown: Sequence[Shown]) -> tuple[float, float]:
    values = [value for *_, value, _ in shown if math.isfinite(value)]
    own = shown[0][1]
    percent = {"percent": 100.0, "percentunit": 1.0}
    least = float(own.get("min", min([*values, 0.0])))
    most = float(own.get("max", percent.get(own.unit, max([*values, least + 1]))))
    return least, most if most > least else least + 1


def _spark(canvas: Canvas, series: Series, step: float, color: str, box: tuple[float, float, float, float]) -> None:
    times, values = with_gaps(series, step)
    axes = canvas.axes(box)
    axes.set_axis_off()
    low, high = np.nanmin(values), np.nanmax(values)
    axes.set_ylim(low - (high - low) * 0.1 - 1e-9, high + (high - low) * 0.1 + 1e-9)
    axes.fill_between(dates(times), values, low - 1, color=color, alpha=0.15, linewidth=0)
    axes.plot(dates(times), values, color=color, linewidth=0.9, alpha=0.8)
