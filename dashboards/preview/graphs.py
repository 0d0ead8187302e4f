"""Draws lines or bars over time.

It never draws a line across a gap: where Prometheus has no value, there is none.
"""

from __future__ import annotations

import math
from datetime import UTC
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.dates import AutoDateFormatter, AutoDateLocator
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator, MultipleLocator

from dashboards.preview import colors, legends, settings, units
from dashboards.preview.legends import Entry
from inventory_operator.verification.panel_times import nice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from dashboards.preview.asking import Answer, Series
    from dashboards.preview.canvas import Canvas
    from inventory_operator.verification.panel_times import Window

_LEFT, _RIGHT, _BELOW = 74, 24, 26
_SIZE = 11 * 0.72
_MINUTE, _DAY = 60.0, 86400.0


def draw(canvas: Canvas, answer: Answer, window: Window, top: float) -> None:
    """Draw a panel of the kind timeseries below `top`."""
    entries = _entries(answer)
    options = answer.panel.options.get("legend", {})
    room, wide = canvas.height - top - 10, float(canvas.width - _LEFT - _RIGHT)
    beside = options.get("placement") == "right" and options.get("showLegend", True)
    below = 0.0 if beside else legends.height(entries, options, room)
    if beside:
        wide *= 0.64
        legends.draw(canvas, entries, options, (_LEFT + wide + 16, top, canvas.width - _LEFT - wide - 30, room))
    elif below:
        legends.draw(canvas, entries, options, (14, canvas.height - below - 6, canvas.width - 28, below))
    axes = canvas.axes((_LEFT, top, wide, room - below - _BELOW))
    second = _second(axes, entries)
    _style(axes, window, wide)
    _draw_all(axes, second, entries, answer.step)
    _bounds(axes, [entry for entry in entries if not _right(entry)] or entries, settings.of(answer.panel, ""))
    _thresholds(axes, settings.of(answer.panel, ""))


def _entries(answer: Answer) -> list[Entry]:
    found = []
    for index, series in enumerate(answer.series):
        own = settings.of(answer.panel, series.name, series.ref)
        if not own.hidden and series.numbers:
            found.append(Entry(series, own, own.color(index, series.last)))
    return found


def _right(entry: Entry) -> bool:
    return bool(entry.settings.get("custom.axisPlacement") == "right")


def _second(axes: Axes, entries: Sequence[Entry]) -> Axes | None:
    """Return an axis of its own for the series that want theirs on the right."""
    those = [entry for entry in entries if _right(entry)]
    if not those:
        return None
    second: Axes = axes.twinx()
    second.tick_params(colors=colors.QUIET, labelsize=_SIZE, length=0, direction="in", pad=-4)
    second.set_frame_on(False)
    for label in second.get_yticklabels():
        label.set_horizontalalignment("right")
    unit = those[0].settings.unit
    second.yaxis.set_major_formatter(FuncFormatter(lambda value, _: units.text(value, unit)))
    if those[0].settings.get("min") is not None:
        second.set_ylim(bottom=float(those[0].settings.get("min")))
    return second


def _style(axes: Axes, window: Window, wide: float) -> None:
    axes.set_facecolor(colors.PANEL)
    axes.grid(color=colors.GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(colors=colors.QUIET, labelsize=_SIZE, length=0)
    locator = AutoDateLocator(minticks=2, maxticks=max(3, int(wide / 90)))  # type: ignore[no-untyped-call]
    formats = AutoDateFormatter(locator, tz=UTC)  # type: ignore[no-untyped-call]
    clock = "%m-%d %H:%M" if window.range > _DAY else "%H:%M:%S" if window.range < 240 else "%H:%M"  # noqa: PLR2004
    formats.scaled = dict.fromkeys(formats.scaled, clock)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(formats)
    axes.set_xlim(window.start / _DAY, window.end / _DAY)


def _draw_all(axes: Axes, second: Axes | None, entries: Sequence[Entry], step: float) -> None:
    piles: dict[str, NDArray[Any]] = {}
    for number, entry in enumerate(entries):
        where = second if second is not None and _right(entry) else axes
        stacked = entry.settings.get("custom.stacking", {}).get("mode") in {"normal", "percent"}
        bars = entry.settings.get("custom.drawStyle") == "bars"
        if stacked:
            _stacked(where, entry, entries, step, piles)
        elif bars:
            at, values = with_gaps(entry.series, step)
            where.bar(dates(at), values, width=step / _DAY * 0.8, color=entry.color, alpha=0.8)
        else:
            _line(where, entry, step, len(entries) - number)


def _line(axes: Axes, entry: Entry, step: float, order: int) -> None:
    own = entry.settings
    at, values = with_gaps(entry.series, step)
    width = float(own.get("custom.lineWidth", 1)) * 0.8
    shape = {"stepAfter": "steps-post", "stepBefore": "steps-pre"}.get(own.get("custom.lineInterpolation"), "default")
    (line,) = axes.plot(dates(at), values, color=entry.color, linewidth=width, zorder=2 + order / 100, drawstyle=shape)
    if own.dashes:
        line.set_dashes(own.dashes)
    if own.get("custom.drawStyle") == "points":
        line.set(linestyle="none", marker="o", markersize=3)
    alone = _alone(values)
    if alone.any():
        axes.plot(dates(at)[alone], values[alone], "o", color=entry.color, markersize=3)
    fill = float(own.get("custom.fillOpacity", 0)) / 100
    if fill:
        axes.fill_between(dates(at), values, 0, color=entry.color, alpha=fill, linewidth=0)


def _stacked(axes: Axes, entry: Entry, entries: Sequence[Entry], step: float, piles: dict[str, NDArray[Any]]) -> None:
    """Draw a series on top of those before it; all of them at the same times, a missing value counts as nothing."""
    times = sorted({at for each in entries for at in each.series.times})
    known = dict(zip(entry.series.times, entry.series.values, strict=True))
    values = np.nan_to_num(np.array([known.get(at, 0.0) for at in times]), posinf=0.0, neginf=0.0)
    below = piles.get("", np.zeros(len(times)))
    piles[""] = below + values
    fill = float(entry.settings.get("custom.fillOpacity", 0)) / 100
    days = dates(times)
    if entry.settings.get("custom.drawStyle") == "bars":
        axes.bar(days, values, bottom=below, width=step / _DAY * 0.8, color=entry.color, alpha=max(fill, 0.6))
        return
    axes.fill_between(days, below, piles[""], color=entry.color, alpha=fill, linewidth=0)
    axes.plot(days, piles[""], color=entry.color, linewidth=float(entry.settings.get("custom.lineWidth", 1)) * 0.8)


def with_gaps(series: Series, step: float) -> tuple[list[float], NDArray[Any]]:
    """Return times and values with a NaN where steps are missing."""
    times: list[float] = []
    values: list[float] = []
    for at, value in zip(series.times, series.values, strict=True):
        if times and at - times[-1] > 1.5 * step:
            times.append((times[-1] + at) / 2)
            values.append(math.nan)
        times.append(at)
        values.append(value if math.isfinite(value) else math.nan)
    return times, np.array(values)


def _alone(values: NDArray[Any]) -> NDArray[Any]:
    """Tell which values have no neighbour: a line would not show them."""
    there = np.isfinite(values)
    padded = np.concatenate([[False], there, [False]])
    alone: NDArray[Any] = there & ~padded[:-2] & ~padded[2:]
    return alone


def dates(times: Sequence[float]) -> NDArray[Any]:
    """Return Unix times as matplotlib counts: in days since 1970."""
    return np.array(times) / _DAY


def _bounds(axes: Axes, entries: Sequence[Entry], panel: settings.Settings) -> None:
    unit = entries[0].settings.unit if entries else panel.unit
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: units.text(value, unit, panel.decimals)))
    low, high = axes.get_ylim()
    least, most = panel.get("min"), panel.get("max")
    soft_low, soft_high = panel.get("custom.axisSoftMin"), panel.get("custom.axisSoftMax")
    low = least if least is not None else min(low, soft_low if soft_low is not None else low)
    high = most if most is not None else max(high, soft_high if soft_high is not None else high)
    high = high if high > low else low + 1
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(_ticks(unit, high - low))


def _ticks(unit: str, span: float) -> Locator:
    """Return about five ticks at round numbers: for bytes powers of two, for seconds parts of minutes, hours, days."""
    if unit in {"bytes", "bits", "binBps"}:
        return MultipleLocator(2.0 ** math.ceil(math.log2(span / 5)))
    if unit in {"s", "dtdurations"} and _MINUTE < span < 5 * _DAY:
        return MultipleLocator(nice(span / 5))
    return MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10])


def _thresholds(axes: Axes, panel: settings.Settings) -> None:
    """Draw the steps as lines or areas where the panel says so."""
    mode = panel.get("custom.thresholdsStyle", {}).get("mode", "off")
    if mode in {"off", "series"}:
        return
    low, high = axes.get_ylim()
    found = colors.steps(panel.get("thresholds", {}), panel.get("min"), panel.get("max"))
    for number, (limit, color) in enumerate(found):
        bottom = low if limit is None else limit
        top = found[number + 1][0] if number + 1 < len(found) else high
        if "area" in mode and top is not None and top > bottom:
            axes.axhspan(max(bottom, low), min(top, high), color=color, alpha=0.08, linewidth=0)
        if ("line" in mode or "dashed" in mode) and limit is not None and low <= limit <= high:
            axes.axhline(limit, color=color, linewidth=1, linestyle="--" if "dashed" in mode else "-", alpha=0.8)
    axes.set_ylim(low, high)
