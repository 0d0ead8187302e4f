"""Grafana's colours by their names, and the colour that a value has by thresholds or mappings.

It never draws.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: The dark theme: page, panel, lines of the grid, text, quiet text.
PAGE, PANEL, GRID, TEXT, QUIET = "#111217", "#181b1f", "#2c3235", "#ccccdc", "#8e8e9b"
_HUES: Final = {"green": "#73bf69", "yellow": "#fade2a", "red": "#f2495c", "orange": "#ff9830", "blue": "#5794f2", "purple": "#b877d9"}  # fmt: skip  # noqa: E501
_OTHERS: Final = {"transparent": PANEL, "text": TEXT, "white": "#ffffff", "black": "#000000", "gray": "#808080"}
_SHADES: Final = {"super-light": 0.45, "light": 0.25, "semi-dark": -0.15, "dark": -0.3}
#: Far enough from each other for the first dozen series.
PALETTE: Final = (
    "#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#b7dbab", "#f9934e", "#64b0c8",
    "#e0b400", "#ca95e5", "#ffa6b0", "#96d98d", "#c0d8ff",
)  # fmt: skip


def named(name: str) -> str:
    """Return the #rrggbb of a colour's name; an unknown one is the colour of text."""
    if re.fullmatch(r"#[0-9a-fA-F]{6}", name):
        return name
    if found := re.match(r"rgba?\(\s*(\d+),\s*(\d+),\s*(\d+)", name):
        return "#" + "".join(f"{min(255, int(part)):02x}" for part in found.groups())
    shade, _, hue = name.rpartition("-")
    if hue in _HUES:
        return _shaded(_HUES[hue], _SHADES.get(shade, 0.0))
    return _OTHERS.get(name, TEXT)


def of_series(index: int) -> str:
    """Return the colour of the n-th series."""
    return PALETTE[index % len(PALETTE)]


def by_threshold(
    thresholds: Mapping[str, Any], value: float, least: float | None = None, most: float | None = None
) -> str:
    """Return the colour of the last step that is not above `value`; steps in percent are of `least` to `most`."""
    found = named("green")
    for limit, color in steps(thresholds, least, most):
        if limit is None or value >= limit:
            found = color
    return found


def steps(
    thresholds: Mapping[str, Any], least: float | None = None, most: float | None = None
) -> list[tuple[float | None, str]]:
    """Return (lower bound, colour) of each step, in the panel's own unit; the first has no bound."""
    low, high = least or 0.0, 100.0 if most is None else most
    found: list[tuple[float | None, str]] = []
    for step in thresholds.get("steps", ()):
        limit = step.get("value")
        if limit is not None and thresholds.get("mode") == "percentage":
            limit = low + (high - low) * limit / 100
        found.append((limit, named(step["color"])))
    return found


def mapped(mappings: Sequence[Mapping[str, Any]], value: float | str) -> tuple[str | None, str | None]:
    """Return (text, colour) that the mappings give a value; None for what they leave as it is."""
    for mapping in mappings:
        result = _result(mapping["type"], mapping["options"], value)
        if result is not None:
            color = result.get("color")
            return result.get("text"), named(color) if color else None
    return None, None


def _result(kind: str, options: Mapping[str, Any], value: float | str) -> Mapping[str, Any] | None:
    if kind == "value":
        text = value if isinstance(value, str) else f"{value:g}"
        found: Mapping[str, Any] | None = options.get(text)
        return found
    hit = False
    if kind == "range" and not isinstance(value, str):
        low, high = options.get("from"), options.get("to")
        hit = (low is None or value >= low) and (high is None or value <= high)
    elif kind == "regex" and isinstance(value, str):
        hit = re.search(options["pattern"].strip("/"), value) is not None
    elif kind == "special" and not isinstance(value, str):
        hit = options["match"] in {"nan", "null+nan"} and value != value  # noqa: PLR0124 - NaN
    result: Mapping[str, Any] | None = options.get("result") if hit else None
    return result


def _shaded(color: str, by: float) -> str:
    """Return a colour nearer to white (0 to 1) or to black (-1 to 0)."""
    parts = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
    towards = 255 if by > 0 else 0
    return "#" + "".join(f"{round(part + (towards - part) * abs(by)):02x}" for part in parts)
