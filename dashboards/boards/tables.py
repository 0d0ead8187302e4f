"""Tables of now: a row for each combination of labels, a column for each query.

It never knows what is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grafana_foundation_sdk.builders import common, dashboard, table
from grafana_foundation_sdk.models.common import TableCellDisplayMode
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.boards.panels import SOURCE, query_now

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Column:
    """A query with its heading; with colours its numbers are coloured."""

    name: str
    unit: str
    expr: str
    colors: dashboard.ThresholdsConfig | None = None


@dataclass(frozen=True)
class Rows:
    """The labels that make a row: those with a heading are shown; the first column sorts, the smallest first."""

    labels: Mapping[str, str]
    hidden: Sequence[str] = ()
    descending: bool = False


def listing(title: str, description: str, rows: Rows, *columns: Column) -> table.Panel:
    """Return a table; the queries of all columns must have exactly the labels of the rows."""
    panel = table.Panel().title(title).description(description).datasource(SOURCE).unit(columns[0].unit)
    panel.height(10).span(12)
    for letter, column in zip("ABCDEFGH", columns, strict=False):
        panel.with_target(query_now(column.expr).format(PromQueryFormat.TABLE).ref_id(letter))
        panel.override_by_name(column.name, _look(column))
    panel.with_transformation(DataTransformerConfig("merge", options={}))
    panel.with_transformation(DataTransformerConfig("organize", options=_order(rows, columns)))
    first = common.TableSortByFieldState().display_name(columns[0].name).desc(desc=rows.descending)
    return panel.sort_by([first])


def _order(rows: Rows, columns: Sequence[Column]) -> dict[str, Any]:
    #: Grafana calls the column of a single query "Value", those of several "Value #A" and so on.
    values = {"Value": columns[0].name} if len(columns) == 1 else {}
    values |= {f"Value #{letter}": column.name for letter, column in zip("ABCDEFGH", columns, strict=False)}
    return {
        "excludeByName": dict.fromkeys(["Time", *rows.hidden], True),
        "indexByName": {name: place for place, name in enumerate([*rows.labels, *values])},
        "renameByName": {**rows.labels, **values},
    }


def _look(column: Column) -> list[DynamicConfigValue]:
    look: list[DynamicConfigValue] = [DynamicConfigValue("unit", column.unit)]
    if column.colors is not None:
        colored = DynamicConfigValue("custom.cellOptions", {"type": TableCellDisplayMode.COLOR_TEXT})
        look += [colored, DynamicConfigValue("thresholds", column.colors.build())]
    return look
