"""The building blocks of a dashboard; every panel has a description, a unit and the data source of the variable.

It never knows what is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    DataSourceRef,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, Threshold, ThresholdsMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

if TYPE_CHECKING:
    from collections.abc import Iterable

Panel = stat.Panel | timeseries.Panel | bargauge.Panel

#: The data source that the person chose in the dashboard's variable.
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")


def query(expr: str, legend: str) -> prometheus.Dataquery:
    """Return a query over the time range of the dashboard."""
    return prometheus.Dataquery().datasource(SOURCE).expr(expr).legend_format(legend).range()


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
    panel = timeseries.Panel().title(title).description(description).datasource(SOURCE).unit(unit).min(0)
    panel.height(8).span(width).line_width(2).fill_opacity(10).legend(legend)
    panel.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    for letter, target in zip("ABCDEF", queries, strict=False):
        panel.with_target(target.ref_id(letter))
    return panel


def bars(title: str, description: str, unit: str, target: prometheus.Dataquery, width: int = 8) -> timeseries.Panel:
    """Return a graph of counts per interval."""
    panel = graph(title, description, unit, [target], width).draw_style(GraphDrawStyle.BARS)
    return panel.fill_opacity(70).line_width(0).stacking(common.StackingConfig().mode(StackingMode.NORMAL))


def number(title: str, description: str, unit: str, expr: str, colors: dashboard.ThresholdsConfig) -> stat.Panel:
    """Return one number of now."""
    panel = stat.Panel().title(title).description(description).datasource(SOURCE).unit(unit).height(4).span(6)
    return panel.color_mode(BigValueColorMode.VALUE).thresholds(colors).with_target(query_now(expr).ref_id("A"))


def levels(
    title: str, description: str, target: prometheus.Dataquery, colors: dashboard.ThresholdsConfig
) -> bargauge.Panel:
    """Return one horizontal bar for each series, as it is now."""
    panel = bargauge.Panel().title(title).description(description).datasource(SOURCE).unit("none").min(0)
    panel.height(10).span(12).orientation(VizOrientation.HORIZONTAL).display_mode(BarGaugeDisplayMode.GRADIENT)
    return panel.thresholds(colors).with_target(target.ref_id("A"))


def with_bounds(panel: timeseries.Panel) -> timeseries.Panel:
    """Draw the series named request and limit as dashed lines."""
    for name, color in (("request", "blue"), ("limit", "red")):
        panel.override_by_name(
            name,
            [
                DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [10, 10]}),
                DynamicConfigValue("custom.fillOpacity", 0),
                DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color}),
            ],
        )
    return panel
