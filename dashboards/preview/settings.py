"""How one series or column is shown: the panel's defaults with the overrides that match it.

It never knows values.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from dashboards.preview import colors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dashboards.preview.board import Panel


class Settings:
    """Settings by the ids that overrides use: unit, min, color, custom.lineWidth, ..."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def get(self, name: str, default: Any = None) -> Any:
        """Return one setting; the default where it is not set."""
        found = self._values.get(name)
        return default if found is None else found

    @property
    def unit(self) -> str:
        """Return the unit; empty for none."""
        return str(self.get("unit", ""))

    @property
    def decimals(self) -> int | None:
        """Return how many decimals are wanted; None for as many as fit."""
        found = self.get("decimals")
        return None if found is None else int(found)

    @property
    def dashes(self) -> tuple[float, ...] | None:
        """Return the lengths of strokes and gaps; None for a line without gaps."""
        style = self.get("custom.lineStyle", {})
        if style.get("fill") not in {"dash", "dot"}:
            return None
        return tuple(float(length) / 2 for length in style.get("dash") or (10, 10))

    @property
    def hidden(self) -> bool:
        """Tell whether the series is left out of the picture."""
        return bool(self.get("custom.hideFrom", {}).get("viz")) or bool(self.get("custom.hidden"))

    def color(self, index: int, value: float) -> str:
        """Return the colour of the n-th series, of which `value` is the last."""
        _, mapped = colors.mapped(self.get("mappings", ()), value)
        if mapped:
            return mapped
        mode = self.get("color", {})
        if mode.get("mode") in {"fixed", "shades"} and mode.get("fixedColor"):
            return colors.named(mode["fixedColor"])
        if mode.get("mode") == "thresholds":
            return self.threshold_color(value)
        return colors.of_series(index)

    def threshold_color(self, value: float) -> str:
        """Return the colour that mappings or thresholds give a value."""
        _, mapped = colors.mapped(self.get("mappings", ()), value)
        if math.isnan(value):
            return mapped or colors.QUIET
        return mapped or colors.by_threshold(self.get("thresholds", {}), value, self.get("min"), self.get("max"))


def of(panel: Panel, name: str, ref: str = "") -> Settings:
    """Return the settings of the series or column `name` that the query `ref` gave."""
    values = dict(_flat(panel.defaults))
    for override in panel.overrides:
        if _matches(override["matcher"], name, ref):
            values |= {each["id"]: each.get("value") for each in override["properties"]}
    return Settings(values)


def _flat(defaults: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in defaults.items():
        if name == "custom":
            yield from ((f"custom.{inner}", each) for inner, each in value.items())
        else:
            yield name, value


def _matches(matcher: Mapping[str, Any], name: str, ref: str) -> bool:
    kind, options = matcher["id"], matcher.get("options")
    if kind == "byName":
        return bool(options == name)
    if kind == "byRegexp":
        return re.search(str(options).removeprefix("/").removesuffix("/"), name) is not None
    if kind == "byFrameRefID":
        return bool(options == ref)
    return False
