"""The building blocks of a dashboard; a panel with queries has a description, a unit and the variable as data source.

It never knows what is shown.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, text, timeseries
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    DataSourceRef,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.text import TextMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from grafana_foundation_sdk.cog.builder import Builder
    from grafana_foundation_sdk.models.dashboard import DashboardLink

Panel = stat.Panel | timeseries.Panel | bargauge.Panel | table.Panel | text.Panel

#: The data source that the person chose in the dashboard's variable.
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
RUNBOOK = "inventory-runbook"


def panel_id(title: str) -> int:
    """Return the number of a panel; it follows from the title, so that links survive panels that come and go."""
    return zlib.crc32(title.encode()) % 1_000_000 + 1


def query(expr: str, legend: str) -> prometheus.Dataquery:
    """Return a query over the time range of the dashboard, to the data source of its panel."""
    return prometheus.Dataquery().expr(expr).legend_format(legend)


def query_now(expr: str, legend: str = "") -> prometheus.Dataquery:
    """Return a query for the newest values only."""
    return query(expr, legend).instant().format(PromQueryFormat.TIME_SERIES)


def thresholds(*steps: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    """Return colours by value; the first step has no lower bound."""
    colors = [Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(colors)


def graph(
    title: str, description: str, unit: str, queries: Iterable[prometheus.Dataquery], width: int = 12
) -> timeseries.Panel:
    """Return lines over time with a table of their last and highest values."""
    legend = (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.TABLE)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(show_legend=True)
        .calcs(["lastNotNull", "max"])
    )
    panel = timeseries.Panel().title(title).description(description).datasource(SOURCE).unit(unit).axis_soft_min(0)
    panel.height(8).span(width).line_width(2).fill_opacity(10).legend(legend)
    panel.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    for letter, target in zip("ABCDEF", queries, strict=False):
        panel.with_target(target.ref_id(letter))
    return panel


def bars(
    title: str, description: str, unit: str, queries: Iterable[prometheus.Dataquery], width: int = 8
) -> timeseries.Panel:
    """Return a graph of counts per interval, one upon the other."""
    panel = graph(title, description, unit, queries, width).draw_style(GraphDrawStyle.BARS)
    return panel.fill_opacity(70).line_width(0).stacking(common.StackingConfig().mode(StackingMode.NORMAL))


def number(title: str, description: str, unit: str, expr: str, colors: dashboard.ThresholdsConfig) -> stat.Panel:
    """Return one number of now."""
    return numbers(title, description, unit, query_now(expr), colors)


def numbers(
    title: str, description: str, unit: str, target: prometheus.Dataquery, colors: dashboard.ThresholdsConfig
) -> stat.Panel:
    """Return numbers of now, each with its name where there are several."""
    panel = stat.Panel().title(title).description(description).datasource(SOURCE).unit(unit).height(3).span(8)
    panel.color_mode(BigValueColorMode.VALUE).graph_mode(BigValueGraphMode.NONE).reduce_options(_last())
    return panel.thresholds(colors).with_target(target.ref_id("A"))


def levels(
    title: str, description: str, unit: str, target: prometheus.Dataquery, colors: dashboard.ThresholdsConfig
) -> bargauge.Panel:
    """Return one horizontal bar for each series, as it is now."""
    panel = bargauge.Panel().title(title).description(description).datasource(SOURCE).unit(unit).min(0)
    panel.height(10).span(12).orientation(VizOrientation.HORIZONTAL).display_mode(BarGaugeDisplayMode.GRADIENT)
    return panel.reduce_options(_last()).thresholds(colors).with_target(target.ref_id("A"))


def words(title: str, content: str) -> text.Panel:
    """Return Markdown, which explains itself."""
    return text.Panel().title(title).mode(TextMode.MARKDOWN).content(content).span(12)


def with_limits(panel: timeseries.Panel, colors: dashboard.ThresholdsConfig) -> timeseries.Panel:
    """Draw a dashed line at each value that matters."""
    style = common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
    return panel.thresholds(colors).thresholds_style(style)


def with_bounds(panel: timeseries.Panel, colors: Mapping[str, str]) -> timeseries.Panel:
    """Draw the series of these names as dashed lines in their colour."""
    for name, color in colors.items():
        fixed = DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})
        panel.override_by_name(name, [*_dashed(), fixed])
    return panel


def with_dashes(panel: timeseries.Panel, pattern: str) -> timeseries.Panel:
    """Draw the series whose names match the pattern as dashed lines."""
    return panel.override_by_regexp(f"/{pattern}/", _dashed())


def with_words(panel: stat.Panel, meanings: Mapping[int, tuple[str, str]]) -> stat.Panel:
    """Say a number as a word in a colour."""
    options = {str(value): ValueMappingResult(text=word, color=color) for value, (word, color) in meanings.items()}
    return panel.mappings([ValueMap(options=options)])


def runbook(*alerts: str) -> list[Builder[DashboardLink]]:
    """Return links to what to do when one of these alerts fires."""
    return [
        dashboard.DashboardLink(f"Runbook: {alert}").url(f"/d/{RUNBOOK}?viewPanel=panel-{panel_id(alert)}")
        for alert in alerts
    ]


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def _dashed() -> list[DynamicConfigValue]:
    return [
        DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [10, 10]}),
        DynamicConfigValue("custom.fillOpacity", 0),
    ]
