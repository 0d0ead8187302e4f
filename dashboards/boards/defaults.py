"""What Grafana takes where a dashboard says nothing. It is left out: each stack holds a copy of every dashboard.

From the sources of Grafana 12.3: `getPanelOptionsWithDefaults` (options, field settings and thresholds, which it merges
with those of the plugin), the `defaultOptions` of each plugin, `SceneQueryRunner` (a query without a data source takes
the panel's), `pkg/promlib/models/query.go` (a query that is neither instant nor range is a range query).
`options` itself always stays: without it the panel `stat` begins with settings of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class _Inside:
    """Defaults one level further down, of an object or of each object in a list; and that of the whole, if any."""

    fields: Mapping[str, Any]
    whole: Any = ...


#: From the SDK, which can't leave it out: Grafana would hide the link or the switch of marks in a menu.
_PLACEMENT = {"placement": "inControlsMenu"}
_LINK = _PLACEMENT | {
    "asDropdown": False,
    "icon": "",
    "includeVars": False,
    "keepTime": False,
    "tags": [],
    "targetBlank": False,
    "tooltip": "",
}
_VARIABLE = {
    "allowCustomValue": True,
    "auto": False,
    "auto_count": 30,
    "auto_min": "10s",
    "current": _Inside({"selected": True}),
    "hide": 0,
    "includeAll": False,
    "multi": False,
    "skipUrlSync": False,
}
_THRESHOLDS = {"mode": "absolute", "steps": _Inside({"value": None})}
_LEGEND = {"placement": "bottom", "showLegend": True}
_REDUCED = {"calcs": ["lastNotNull"]}
_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "stat": {
        "colorMode": "value",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": _REDUCED,
        "showPercentChange": False,
        "textMode": "auto",
        "wideLayout": True,
    },
    "bargauge": {"reduceOptions": _REDUCED},
    "timeseries": {"legend": _Inside(_LEGEND)},
    "text": {"mode": "markdown"},
}
_PANEL = {
    "collapsed": False,
    "fieldConfig": _Inside(
        {
            "defaults": _Inside({"thresholds": _Inside(_THRESHOLDS)}),
            "overrides": _Inside({"properties": _Inside({"value": _Inside(_THRESHOLDS)})}, whole=[]),
        }
    ),
    "links": _Inside(_LINK | {"type": "link"}),
    "panels": [],
    "repeatDirection": "h",
    "targets": _Inside({"format": "time_series", "legendFormat": "", "range": False}),
    "transparent": False,
}
_BOARD = {
    "annotations": _Inside({"list": _Inside(_PLACEMENT | {"builtIn": 0, "hide": False})}),
    "fiscalYearStartMonth": 0,
    "links": _Inside(_LINK),
    "templating": _Inside({"list": _Inside(_VARIABLE)}),
}


def without_defaults(board: Mapping[str, Any]) -> dict[str, Any]:
    """Return the model of a dashboard that looks and works the same, without what Grafana takes anyway."""
    panels = [_lean(panel, _PANEL | {"options": _Inside(_OPTIONS.get(panel["type"], {}))}) for panel in board["panels"]]
    lean: dict[str, Any] = _lean({**board, "panels": panels}, _BOARD)
    return lean


def _lean(part: Any, fields: Mapping[str, Any]) -> Any:
    if isinstance(part, list):
        return [_lean(each, fields) for each in part]
    if not isinstance(part, dict):
        return part
    inside = {name: default for name, default in fields.items() if isinstance(default, _Inside)}
    wholes = {**fields, **{name: default.whole for name, default in inside.items()}}
    kept = {name: value for name, value in part.items() if name not in wholes or value != wholes[name]}
    return {name: _lean(value, inside[name].fields if name in inside else {}) for name, value in kept.items()}
