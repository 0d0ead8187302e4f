"""A picture in pixels, drawn with matplotlib: texts that fit, boxes, axes.

It never knows what a panel is.
"""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyBboxPatch, Rectangle

from dashboards.preview import colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

#: x, y, width, height in pixels, from the upper left corner.
Area = tuple[float, float, float, float]

_DPI = 100
_POINTS = 72 / _DPI
#: A dollar sign in a query is no formula.
mpl.rcParams["text.parse_math"] = False


@functools.cache
def _renderer() -> RendererAgg:
    return RendererAgg(10, 10, _DPI)  # type: ignore[no-untyped-call]


@functools.cache
def _width(text: str, size: float, bold: bool) -> float:  # noqa: FBT001 - a key of the cache
    font = FontProperties(size=size * _POINTS, weight="bold" if bold else "normal")
    with warnings.catch_warnings(action="ignore"):  # a character that the font has not is drawn as a box
        return float(_renderer().get_text_width_height_descent(text, font, ismath=False)[0])  # type: ignore[no-untyped-call]


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of a text in pixels."""
    return _width(text, size, bold)


def fit(text: str, width: float, size: float, *, bold: bool = False) -> str:
    """Return as much of a text as fits into `width` pixels, with an ellipsis for the rest."""
    text = " ".join(text.split())
    if width_of(text, size, bold=bold) <= width:
        return text
    while text and width_of(f"{text}…", size, bold=bold) > width:
        text = text[:-1]
    return f"{text.rstrip()}…" if text else ""


def wrap(text: str, width: float, size: float) -> list[str]:
    """Return the lines of a text that is no wider than `width` pixels; a word that is too long is cut."""
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and width_of(longer, size) > width:
            lines.append(line)
            longer = word
        line = longer
    return [fit(each, width, size) for each in [*lines, line]]


class Canvas:
    """One picture; x and y are pixels from the upper left corner."""

    def __init__(self, width: int, height: int, color: str = colors.PANEL) -> None:
        self.width, self.height = width, height
        self._figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor=color)
        self._agg = FigureCanvasAgg(self._figure)

    def text(self, x: float, y: float, text: str, size: float = 13, color: str = colors.TEXT, **options: Any) -> None:
        """Write a text whose middle is at `y`; options are matplotlib's: ha, weight, family."""
        look: dict[str, Any] = {"va": "center", "fontsize": size * _POINTS, "color": color, "parse_math": False}
        self._figure.text(x / self.width, 1 - y / self.height, text, **(look | options))

    def box(self, area: Area, color: str, *, alpha: float = 1.0, round_by: float = 0) -> None:
        """Fill a box, with rounded corners if wanted."""
        x, y, w, h = area
        bottom = self.height - y - h
        look: dict[str, Any] = {"facecolor": color, "edgecolor": "none", "alpha": alpha, "transform": None}
        if not round_by:
            self._figure.add_artist(Rectangle((x, bottom), w, h, **look))
            return
        inner = (x + round_by, bottom + round_by)
        wide, high, shape = max(w - 2 * round_by, 0.1), max(h - 2 * round_by, 0.1), f"round,pad={round_by}"
        self._figure.add_artist(FancyBboxPatch(inner, wide, high, boxstyle=shape, **look))

    def axes(self, area: Area, **options: Any) -> Axes:
        """Return axes whose inner area is this box."""
        x, y, w, h = area
        at = (x / self.width, 1 - (y + h) / self.height, max(w, 1) / self.width, max(h, 1) / self.height)
        return self._figure.add_axes(at, **options)

    def pixels(self) -> NDArray[np.uint8]:
        """Return the finished picture: rows of RGBA pixels."""
        with warnings.catch_warnings(action="ignore"):  # as above
            self._agg.draw()  # type: ignore[no-untyped-call]
        return np.array(self._agg.buffer_rgba())  # type: ignore[no-untyped-call]
