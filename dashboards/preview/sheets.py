"""Draws what is read: tables, texts, the heading of a row, and panels that have nothing to show.

It never draws more lines than fit, and says when some are left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dashboards.preview import asking, colors, settings, tables, units
from dashboards.preview.canvas import fit, width_of, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dashboards.preview.asking import Answer
    from dashboards.preview.canvas import Area, Canvas
    from dashboards.preview.tables import Cell

_LINE = 22


def table(canvas: Canvas, answer: Answer, top: float) -> None:
    """Draw a table."""
    columns, rows = tables.rows_of(answer)
    own = {name: settings.of(answer.panel, name, tables.ref_of(name)) for name in columns}
    fitting = int((canvas.height - top - 6) // _LINE) - 1
    shown = rows if len(rows) <= fitting else rows[: max(fitting - 1, 0)]
    drawn = [_Column(name, own[name], [row.get(name, "") for row in shown]) for name in columns if not own[name].hidden]
    x, share = 14.0, (canvas.width - 24) / max(sum(column.width for column in drawn), 1)
    for column in drawn:
        _draw(canvas, column, (x, top, column.width * share, len(shown) * _LINE))
        x += column.width * share
    if len(shown) < len(rows):
        canvas.text(14, top + (len(shown) + 1.5) * _LINE, f"and {len(rows) - len(shown)} more", 12, colors.QUIET)


class _Column:
    """A column as it is drawn: numbers stand on the right."""

    def __init__(self, name: str, own: settings.Settings, cells: Sequence[Cell]) -> None:
        self.title = str(own.get("displayName", name))
        self.cells = [_cell(cell, own, "dateTime" if name == tables.TIME else own.unit) for cell in cells]
        self.right = any(not isinstance(cell, str) for cell in cells)
        self.filled = own.get("custom.cellOptions", {}).get("type") == "color-background"
        self.width = 18 + max([width_of(self.title, 12, bold=True), *(width_of(text, 12) for text, _ in self.cells)])


def _draw(canvas: Canvas, column: _Column, area: Area) -> None:
    x, top, w, _ = area
    at, align = (x + w - 10, "right") if column.right else (x, "left")
    title = fit(column.title, w - 10, 12, bold=True)
    canvas.text(at, top + _LINE / 2, title, 12, colors.QUIET, ha=align, weight="bold")
    for line, (text, color) in enumerate(column.cells, start=1):
        y = top + line * _LINE
        if column.filled and color:
            canvas.box((x - 4, y + 1, w - 2, _LINE - 2), color, alpha=0.35)
        ink = colors.TEXT if column.filled or not color else color
        canvas.text(at, y + _LINE / 2, fit(text, w - 10, 12), 12, ink, ha=align)


def _cell(cell: Cell, own: settings.Settings, unit: str) -> tuple[str, str | None]:
    """Return the text of a cell and its colour where it has one."""
    text, color = colors.mapped(own.get("mappings", ()), cell)
    colored = own.get("custom.cellOptions", {}).get("type", "auto").startswith(("color", "gauge"))
    if isinstance(cell, str):
        return text or cell, color if colored else None
    shown = text or units.text(cell, unit, own.decimals)
    return shown, (color or own.threshold_color(cell)) if colored else None


def text(canvas: Canvas, content: str, top: float) -> None:
    """Draw Markdown as plain text: headings bold, the marks of emphasis and links left out."""
    y, bottom = top + 4.0, canvas.height - 10
    for line in content.splitlines():
        marks = re.match(r"(#{1,4})\s+", line)
        size = {1: 19.0, 2: 16.0}.get(len(marks[1]), 14.0) if marks else 13.0
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)|<[^>]+>|[*`]{1,3}", lambda found: found[1] or "", line.lstrip("# "))
        plain = re.sub(r"^(\s*)[-*] ", r"\1• ", plain)
        for part in wrap(plain, canvas.width - 32, size) if plain.strip() else [""]:
            if y + size * 1.5 > bottom:
                canvas.text(16, bottom - 2, "…", 13, colors.QUIET)
                return
            canvas.text(16, y + size * 0.75, part, size, weight="bold" if marks else "normal")
            y += size * (1.5 if part else 0.8)


def heading(canvas: Canvas, title: str) -> None:
    """Draw the heading of a row of panels."""
    canvas.text(8, canvas.height / 2, title, 15, weight="bold")


def nothing(canvas: Canvas, answer: Answer, top: float) -> None:
    """Draw that a panel has nothing to show, with its queries."""
    failed = answer.status == asking.ERROR
    middle = top + (canvas.height - top) * 0.3
    word = "The query was refused" if failed else "No data"
    canvas.text(canvas.width / 2, middle, word, 17, colors.named("red" if failed else "orange"), ha="center")
    y = middle + 24
    for query in answer.asked:
        for line, color in [
            *_lines(query.error, canvas, colors.named("red")),
            *_lines(query.expr, canvas, colors.QUIET),
        ]:
            if y > canvas.height - 10:
                return
            canvas.text(canvas.width / 2, y, line, 10.5, color, ha="center", family="monospace")
            y += 15


def _lines(content: str, canvas: Canvas, color: str) -> Sequence[tuple[str, str]]:
    # Letters of one width are wider than those that are measured.
    return [(line, color) for line in wrap(content, (canvas.width - 28) * 0.8, 10.5)] if content else []


def unknown(canvas: Canvas, answer: Answer, top: float) -> None:
    """Draw that this kind of panel is drawn by Grafana only."""
    words = f"Panels of the kind {answer.panel.kind} are drawn by Grafana only"
    rows = sum(query.series for query in answer.asked)
    canvas.text(canvas.width / 2, top + 24, fit(words, canvas.width - 20, 13), 13, colors.QUIET, ha="center")
    if answer.asked:
        canvas.text(canvas.width / 2, top + 46, f"{rows} series", 13, ha="center")
