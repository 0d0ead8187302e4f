"""Makes the columns and rows of a table panel out of series, with Grafana's transformations.

It never draws; a transformation that is not known here leaves the table as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dashboards.preview.legends import reduced

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dashboards.preview.asking import Answer

Cell = float | str
Row = dict[str, Cell]
_VALUE = "Value"
#: The column of the time that a value is of.
TIME = "Time"


def rows_of(answer: Answer) -> tuple[list[str], list[Row]]:
    """Return the names of the columns, in order, and the rows; a row may lack a column."""
    several = len({query.ref for query in answer.asked}) > 1
    rows = [_row(series, f"{_VALUE} #{series.ref}" if several else _VALUE) for series in answer.series]
    joined = {each["id"] for each in answer.panel.transformations} & {"joinByField", "seriesToColumns"}
    if several and not joined:
        rows = _merged(rows)
    columns = _columns(rows)
    for step in answer.panel.transformations:
        columns, rows = _TRANSFORMATIONS.get(step["id"], _unchanged)(columns, rows, step.get("options", {}))
    return columns, _sorted(rows, answer.panel.options.get("sortBy") or [])


def ref_of(column: str) -> str:
    """Return the query that a column came from; empty where its name does not say so."""
    return column.removeprefix(f"{_VALUE} #") if column.startswith(f"{_VALUE} #") else ""


def _row(series: Any, value: str) -> Row:
    labels = {name: text for name, text in series.labels.items() if name != "__name__"}
    return {TIME: series.times[-1] * 1000, **labels, value: reduced(series, "lastNotNull")}


def _columns(rows: Sequence[Row]) -> list[str]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    values = [name for name in names if name.startswith(_VALUE)]
    labels = sorted(name for name in names if name not in values and name != TIME)
    return [*([TIME] if TIME in names else []), *labels, *sorted(values)]


def _merged(rows: Sequence[Row]) -> list[Row]:
    """Return one row for all that agree in their labels."""
    found: dict[tuple[tuple[str, Cell], ...], Row] = {}
    for row in rows:
        key = tuple(sorted((name, cell) for name, cell in row.items() if not name.startswith(_VALUE) and name != TIME))
        found.setdefault(key, {}).update(row)
    return list(found.values())


def _sorted(rows: list[Row], by: Sequence[Mapping[str, Any]]) -> list[Row]:
    for each in reversed(by):
        name = each.get("displayName") or each.get("field") or ""
        rows = sorted(rows, key=lambda row, name=name: _order(row.get(name, "")), reverse=bool(each.get("desc")))  # type: ignore[misc]
    return rows


def _order(cell: Cell) -> tuple[bool, float, str]:
    return (True, 0.0, cell) if isinstance(cell, str) else (False, cell, "")


def _unchanged(columns: list[str], rows: list[Row], _: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
    return columns, rows


def _join(columns: list[str], rows: list[Row], options: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
    """Put the rows that agree in one column together; of other columns the first value stays."""
    field = options.get("byField") or TIME
    found: dict[Cell, Row] = {}
    for row in rows:
        if field in row:
            found[row[field]] = row | found.get(row[field], {})
    return columns, list(found.values())


def _organize(columns: list[str], rows: list[Row], options: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
    left_out, places, names = (options.get(key) or {} for key in ("excludeByName", "indexByName", "renameByName"))
    kept = [name for name in columns if not left_out.get(name)]
    kept.sort(key=lambda name: places.get(name, len(places)))
    return _renamed(kept, rows, {name: names.get(name) or name for name in kept})


def _rename(columns: list[str], rows: list[Row], options: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
    new = re.sub(r"\$(\d)", r"\\\1", options.get("renamePattern", ""))
    return _renamed(columns, rows, {name: re.sub(options.get("regex", ""), new, name) for name in columns})


def _renamed(columns: Sequence[str], rows: Sequence[Row], names: Mapping[str, str]) -> tuple[list[str], list[Row]]:
    return [names[name] for name in columns], [{names[k]: v for k, v in row.items() if k in names} for row in rows]


def _filter(columns: list[str], rows: list[Row], options: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
    include = options.get("include", {})
    names, pattern = include.get("names") or [], include.get("pattern")
    return [name for name in columns if name in names or (pattern and re.search(pattern, name))], rows


def _sort(columns: list[str], rows: list[Row], options: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
    return columns, _sorted(rows, options.get("sort") or [])


def _limit(columns: list[str], rows: list[Row], options: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
    return columns, rows[: int(options.get("limitField") or 10)]


_TRANSFORMATIONS: dict[str, Callable[[list[str], list[Row], Mapping[str, Any]], tuple[list[str], list[Row]]]] = {
    "joinByField": _join,
    "seriesToColumns": _join,
    "organize": _organize,
    "renameByRegex": _rename,
    "filterFieldsByName": _filter,
    "sortBy": _sort,
    "limit": _limit,
}
