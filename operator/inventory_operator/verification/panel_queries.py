"""Reads the queries of dashboards' panels and writes them as Prometheus takes them. Pure.

A dashboard is what a person wrote, or anybody who may write the ConfigMap: what it can cost is bounded here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import orjson

from inventory_operator.verification import panel_variables
from inventory_operator.verification.panel_times import PanelError, Window, seconds
from inventory_operator.verification.panel_variables import Scope, Value, saved

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: Queries and variables of one dashboard, and characters of one query: ours have 50, 7 and 900 at most.
MOST_QUERIES: Final = 300
MOST_VARIABLES: Final = 100
LONGEST_QUERY: Final = 8_192
#: Characters of a variable's value, of a title, and of a duration.
_LONGEST_VALUE, _LONGEST_TITLE, _LONGEST_INTERVAL = 1_000, 200, 40
#: Pixels of a dashboard as wide as a screen, and columns of its grid: Grafana asks for as many points as a panel has
#: pixels.
SCREEN: Final = 1600
COLUMNS: Final = 24
ROW: Final = "row"
#: Panels that show no series of their own.
WITHOUT_SERIES: Final = frozenset({ROW, "text", "dashlist", "news", "alertlist", "annolist"})
#: The uid of the stack's Prometheus: templates/grafana/config/restart/datasource.yaml.j2.
DATASOURCE: Final = "prometheus"
#: What a variable stands for that is saved as All, and does not say what that is.
_ANYTHING = ".+"
#: Seconds: what Grafana shows where a dashboard does not say.
_DEFAULT_RANGE = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Target:
    """One query of a panel; `interval` is its least step or empty, `table` asks for columns instead of series."""

    ref: str
    expr: str
    legend: str = ""
    instant: bool = False
    table: bool = False
    interval: str = ""
    #: Its own data source; None for that of its panel.
    source: Any = None


@dataclass(frozen=True, slots=True)
class PanelQuery:
    """One query as it is sent, and where it is."""

    uid: str
    dashboard: str
    panel: str
    panel_id: int
    ref: str
    expr: str
    #: $__rate_interval of its panel.
    rate_interval: str
    #: Whether its dashboard is one that every stack has.
    shipped: bool


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard, and what it asks Prometheus."""

    uid: str
    title: str
    queries: tuple[PanelQuery, ...]


def targets(panel: Mapping[str, Any]) -> list[Target]:
    """Return the queries in PromQL of a panel that are not hidden."""
    return [_target(panel, raw) for raw in panel.get("targets", ()) if raw.get("expr") and not raw.get("hide")]


def _target(panel: Mapping[str, Any], raw: Mapping[str, Any]) -> Target:
    return Target(
        ref=raw.get("refId", "A"),
        expr=raw["expr"],
        legend=raw.get("legendFormat", ""),
        instant=bool(raw.get("instant")) and not raw.get("range"),
        table=raw.get("format") == "table",
        interval=raw.get("interval") or panel.get("interval") or "",
        source=raw.get("datasource"),
    )


def points(columns: int) -> int:
    """Return how many points Grafana asks for, for a panel so many columns wide."""
    return SCREEN * columns // COLUMNS


def filled(target: Target, step: float, scope: Scope) -> tuple[str, float]:
    """Return a query with all variables replaced, and its step in seconds; PanelError where one is not defined."""
    least = seconds(scope.fill(target.interval)) if target.interval else 0.0
    step = max(step, least)
    return scope.fill(target.expr, step), step


def read(text: str, scrape_interval: str, *, shipped: bool) -> Dashboard:
    """Return a dashboard of its JSON with its queries to the stack's Prometheus; PanelError where it is none.

    Left out are queries to other data sources, and those with a variable whose value only Prometheus, or the person
    who looks, knows.
    """
    try:
        board = orjson.loads(text)
        window = Window(0.0, _range(board), seconds(scrape_interval))
        scope, unknown = _scope(board.get("templating", {}).get("list", ()), window)
        found = (
            _query(board, panel, target, scope, shipped=shipped)
            for panel in _panels(board["panels"])
            for target in targets(panel)
            if _asks_prometheus(panel, target) and _is_written(target, scope, unknown)
        )
        queries = islice((query for query in found if len(query.expr) <= LONGEST_QUERY), MOST_QUERIES)
        return Dashboard(str(board["uid"]), _title(board), tuple(queries))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PanelError("is not a dashboard that can be read") from error


#: Every stack has the same text of a shipped dashboard: it is read once, and its queries are kept once.
read_shipped = lru_cache(maxsize=32)(partial(read, shipped=True))


def _title(raw: Mapping[str, Any]) -> str:
    return str(raw.get("title", ""))[:_LONGEST_TITLE]


def _shown(title: str, scope: Scope) -> str:
    try:
        return scope.show(title)
    except PanelError:
        return title


def _query(
    board: Mapping[str, Any], panel: Mapping[str, Any], target: Target, scope: Scope, *, shipped: bool
) -> PanelQuery:
    for name in scope.undefined(target.expr + target.interval):
        # Grafana leaves it as it is: a label_replace may have $1.
        scope.values[name] = Value(f"${{{name}}}", f"${name}")
    step = scope.window.interval(points(min(COLUMNS, max(1, int(panel["gridPos"]["w"])))))
    expr, step = filled(target, step, scope)
    return PanelQuery(
        uid=str(board["uid"]),
        dashboard=_title(board),
        panel=_shown(_title(panel), scope),
        panel_id=int(panel["id"]),
        ref=str(target.ref)[:_LONGEST_TITLE],
        expr=expr,
        rate_interval=scope.fill("$__rate_interval", step),
        shipped=shipped,
    )


def _range(board: Mapping[str, Any]) -> float:
    """Return the seconds that a dashboard shows when it is opened."""
    try:
        return seconds(str(board["time"]["from"])[:_LONGEST_INTERVAL].removeprefix("now-"))
    except (PanelError, KeyError):
        return _DEFAULT_RANGE


def _panels(raw: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the panels that show series; those of a collapsed row are inside of it."""
    for panel in raw:
        if panel["type"] == ROW:
            yield from (inner for inner in panel.get("panels", ()) if inner["type"] not in WITHOUT_SERIES)
        elif panel["type"] not in WITHOUT_SERIES:
            yield panel


def _asks_prometheus(panel: Mapping[str, Any], target: Target) -> bool:
    """Tell whether a query goes to the stack's Prometheus: it is the default, and may be chosen by a variable."""
    source = target.source or panel.get("datasource")
    if isinstance(source, dict):
        uid = str(source.get("uid") or DATASOURCE)
        return source.get("type", "prometheus") == "prometheus" and (uid == DATASOURCE or uid.startswith("$"))
    return source is None or str(source).lower() == DATASOURCE or str(source).startswith("$")


def _scope(variables: Iterable[Mapping[str, Any]], window: Window) -> tuple[Scope, set[str]]:
    """Return the values of the variables as they are saved, and the names of those that are not."""
    known: list[Mapping[str, Any]] = []
    unknown: set[str] = set()
    for variable in islice(variables, MOST_VARIABLES):
        if variable["type"] == "query" and not saved(variable) and not variable.get("includeAll"):
            unknown.add(variable["name"])
        else:
            known.append({**variable, "allValue": variable.get("allValue") or _ANYTHING})
    scope = panel_variables.resolve(known, window, lambda variable, _: saved(variable))
    long = {name for name, value in scope.values.items() if len(value.promql) > _LONGEST_VALUE}
    scope.values = {name: value for name, value in scope.values.items() if name not in long}
    return scope, unknown | long


def _is_written(target: Target, scope: Scope, unknown: set[str]) -> bool:
    """Tell whether a query is short enough, and has no variable without a value, or of Grafana's own, as `__user`."""
    if len(target.expr) > LONGEST_QUERY or len(target.interval) > _LONGEST_INTERVAL:
        return False
    undefined = scope.undefined(target.expr + target.interval)
    return not any(name in unknown or name.startswith("__") for name in undefined)
