"""Draws states over time: one lane for each series, coloured by mappings or thresholds.

It never draws where there is no value.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dashboards.preview import colors, settings, units
from dashboards.preview.canvas import fit, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dashboards.preview.asking import Answer
    from dashboards.preview.canvas import Canvas
    from inventory_operator.verification.panel_times import Window

_MOST = 24


def draw(canvas: Canvas, answer: Answer, window: Window, top: float) -> None:
    """Draw a panel of the kind state-timeline or status-history below `top`."""
    lanes = [series for series in answer.series if series.numbers][:_MOST]
    names = min(max((width_of(series.name, 12) for series in lanes), default=0) + 10, canvas.width * 0.35)
    wide = canvas.width - names - 28
    high = min((canvas.height - top - 10) / max(len(lanes), 1), 40)
    for number, series in enumerate(lanes):
        own, y = settings.of(answer.panel, series.name, series.ref), top + number * high
        canvas.text(14 + names - 10, y + high / 2, fit(series.name, names - 10, 12), 12, ha="right")
        for begin, end, value in _spans(series.times, series.values, answer.step):
            left, right = (
                (min(max(at, window.start), window.end) - window.start) / window.range for at in (begin, end)
            )
            color = own.threshold_color(value)
            canvas.box((14 + names + left * wide, y + 2, max((right - left) * wide, 1), high - 4), color, alpha=0.8)
            text = colors.mapped(own.get("mappings", ()), value)[0] or units.text(value, own.unit, own.decimals)
            if (right - left) * wide > width_of(text, 11) + 8:
                canvas.text(14 + names + (left + right) / 2 * wide, y + high / 2, text, 11, colors.PAGE, ha="center")


def _spans(times: Sequence[float], values: Sequence[float], step: float) -> list[tuple[float, float, float]]:
    """Return (begin, end, value) of each stretch of one value."""
    found: list[tuple[float, float, float]] = []
    for at, value in zip(times, values, strict=True):
        if not math.isfinite(value):
            continue
        if found and found[-1][2] == value and at <= found[-1][1] + step / 2:
            found[-1] = (found[-1][0], at + step, value)
        else:
            found.append((at, at + step, value))
    return found
