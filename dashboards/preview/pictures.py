"""Makes the picture of each panel and puts them together into the picture of a dashboard.

It never asks Prometheus.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

from dashboards.preview import asking, colors, graphs, numbers, sheets, timelines
from dashboards.preview.canvas import Canvas, fit
from inventory_operator.verification.panel_queries import COLUMNS, ROW, SCREEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from dashboards.preview.asking import Answer
    from dashboards.preview.board import Board
    from inventory_operator.verification.panel_times import Window

#: Grafana's grid at a width of 1600: a row is 30 pixels and a gap of 8.
_ROW, _GAP, _HEAD = 38, 8, 46
_TITLE = 34


def panel(answer: Answer, window: Window) -> NDArray[np.uint8]:
    """Return the pixels of one panel."""
    box = answer.panel.box
    canvas = Canvas(round(box.w * SCREEN / COLUMNS) - _GAP, box.h * _ROW - _GAP, _ground(answer))
    if answer.panel.kind == ROW:
        sheets.heading(canvas, answer.title)
        return canvas.pixels()
    canvas.text(12, 18, fit(answer.title, canvas.width - 24, 13.5, bold=True), 13.5, weight="bold")
    top = float(_TITLE if answer.title else 8)
    if answer.status in {asking.EMPTY, asking.ERROR}:
        sheets.nothing(canvas, answer, top)
    elif answer.panel.kind in {"timeseries", "graph"}:
        graphs.draw(canvas, answer, window, top)
    elif answer.panel.kind in {"state-timeline", "status-history"}:
        timelines.draw(canvas, answer, window, top)
    else:
        _plain(canvas, answer, top)
    return canvas.pixels()


def _plain(canvas: Canvas, answer: Answer, top: float) -> None:
    """Draw a panel that needs no axis of time."""
    kind = answer.panel.kind
    if kind == "text":
        sheets.text(canvas, str(answer.panel.options.get("content", "")), top)
        return
    draw = {"stat": numbers.stat, "gauge": numbers.gauge, "bargauge": numbers.bargauge, "table": sheets.table}
    draw.get(kind, sheets.unknown)(canvas, answer, top)


def board(board: Board, answers: Sequence[Answer], pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return the pixels of a dashboard: its title, and every panel at its place in the grid."""
    head = Canvas(SCREEN, _HEAD, colors.PAGE)
    head.text(12, _HEAD / 2, board.title, 20, weight="bold")
    whole = Canvas(SCREEN, _HEAD + max(board.rows, 1) * _ROW, colors.PAGE).pixels()
    whole[:_HEAD] = head.pixels()
    for answer, picture in zip(answers, pictures, strict=True):
        box = answer.panel.box
        y, x = _HEAD + box.y * _ROW, round(box.x * SCREEN / COLUMNS) + _GAP // 2
        h, w = picture.shape[:2]
        whole[y : y + h, x : x + w] = picture[: whole.shape[0] - y, : whole.shape[1] - x]
    return whole


def png(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture as a PNG, with as many colours as such a picture needs."""
    out = io.BytesIO()
    Image.fromarray(picture).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def _ground(answer: Answer) -> str:
    return colors.PAGE if answer.panel.kind == ROW else colors.PANEL
