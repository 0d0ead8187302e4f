"""Asks Prometheus for what a panel shows, and says how much came back.

It never draws; a query that is refused is an answer, too.
"""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dashboards.preview.client import QueryError
from inventory_operator.verification.panel_queries import WITHOUT_SERIES, filled, points
from inventory_operator.verification.panel_times import PanelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dashboards.preview.board import Board, Panel
    from dashboards.preview.client import Client
    from inventory_operator.verification.panel_queries import Target
    from inventory_operator.verification.panel_variables import Scope

DATA, PARTIAL, EMPTY, ERROR, STATIC = "data", "partial", "no data", "error", "static"


@dataclass(frozen=True, slots=True)
class Series:
    """One series with its name for people; `times` in Unix seconds, ascending, as many as `values`."""

    name: str
    labels: Mapping[str, str]
    ref: str
    times: Sequence[float]
    values: Sequence[float]

    @property
    def numbers(self) -> list[float]:
        """Return the values that are numbers."""
        return [value for value in self.values if math.isfinite(value)]

    @property
    def last(self) -> float:
        """Return the newest number; NaN where there is none."""
        return self.numbers[-1] if self.numbers else math.nan


@dataclass(frozen=True, slots=True)
class Asked:
    """One query as it was sent, how many series with a number it gave, how long it took, and what was refused."""

    ref: str
    expr: str
    series: int = 0
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A panel and what came back for it."""

    panel: Panel
    title: str
    step: float
    asked: Sequence[Asked] = ()
    series: Sequence[Series] = field(default=(), repr=False)

    @property
    def status(self) -> str:
        """Return whether all of its queries gave a number, some did, or none."""
        if not self.asked:
            return STATIC
        if any(query.error for query in self.asked):
            return ERROR
        there = [query.series > 0 for query in self.asked]
        return DATA if all(there) else PARTIAL if any(there) else EMPTY


def ask(
    board: Board, scope: Scope, client: Client, most: int = 0, clock: Callable[[], float] = time.monotonic
) -> list[Answer]:
    """Return the answers for all panels of a dashboard, with `most` points for each graph; 0 for what its width has.

    `clock`: what a query's `seconds` are measured by.
    """
    return [_panel(panel, scope, client, most, clock) for panel in board.panels]


def _panel(panel: Panel, scope: Scope, client: Client, most: int, clock: Callable[[], float]) -> Answer:
    step = scope.window.interval(most or points(panel.box.w))
    asked, series = [], []
    for target in [] if panel.kind in WITHOUT_SERIES else panel.targets:
        began = clock()
        query, found = _target(target, step, scope, client)
        query = replace(query, seconds=clock() - began)
        asked.append(query)
        series += found
    return Answer(panel, _title(panel.title, scope), step, asked, series)


def _title(title: str, scope: Scope) -> str:
    try:
        return scope.show(title)
    except PanelError:
        return title


def _target(target: Target, step: float, scope: Scope, client: Client) -> tuple[Asked, list[Series]]:
    window, expr = scope.window, target.expr
    try:
        expr, step = filled(target, step, scope)
        if target.instant:
            result = client.at(expr, window.end)
        else:
            # On whole steps, as Grafana asks: a refresh then shows the same points again.
            first, last = (math.floor(edge / step) * step for edge in (window.start, window.end))
            result = client.over(expr, first, last, step)
    except (QueryError, PanelError) as error:
        return Asked(target.ref, expr, error=str(error)), []
    found = [_series(target, expr, raw) for raw in result]
    return Asked(target.ref, expr, sum(bool(one.numbers) for one in found)), found


def _series(target: Target, expr: str, raw: Mapping[str, Any]) -> Series:
    points = raw.get("values") or [raw["value"]]
    labels = raw["metric"]
    times, values = [float(at) for at, _ in points], [float(text) for _, text in points]
    return Series(legend(target.legend, labels, expr), labels, target.ref, times, values)


def legend(form: str, labels: Mapping[str, str], expr: str) -> str:
    """Return a series' name: the form with its {{labels}} filled in; without one metric and labels, or the query."""
    if form and form != "__auto":
        return re.sub(r"\{\{\s*([\w:]+)\s*\}\}", lambda found: labels.get(found[1], ""), form)
    inner = ", ".join(f'{name}="{text}"' for name, text in sorted(labels.items()) if name != "__name__")
    metric = labels.get("__name__", "")
    return f"{metric}{{{inner}}}" if inner else metric or expr
