"""Draws what is read: tables, texts, the heading of a row, and panels that have nothing to show.

It never draws more lines than fit, and says when some are left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from preview import asking, colors, settings, tables, units
from preview.canvas import fit, width_of, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preview.asking import Answer
    from preview.canvas import Canvas
    from preview.tables import Cell

_LINE = 22


def table(canvas: Canvas, answer: Answer, top: float) -> None:
    """Draw a table."""
    columns, rows = tables.rows_of(answer)
    own = {name: settings.of(answer.panel, name) for name in columns}
    columns = [name for name in columns if not own[name].hidden]
    fitting = int((canvas.height - top - 6) // _LINE) - 1
    shown = rows if len(rows) <= fitting else rows[: max(fitting - 1, 0)]
    texts = {name: [_cell(row.get(name, ""), own[name]) for row in shown] for name in columns}
    titles = {name: own[name].get("displayName", name) for name in columns}
    widths = _widths(canvas, titles, texts)
    x = 14.0
    for name in columns:
        right = any(not isinstance(row.get(name, ""), str) for row in rows)
        at, align = (x + widths[name] - 10, "right") if right else (x, "left")
        room = widths[name] - 10
        canvas.text(
            at, top + _LINE / 2, fit(titles[name], room, 12, bold=True), 12, colors.QUIET, ha=align, weight="bold"
        )
        for line, row in enumerate(shown, start=1):
            text, color = texts[name][line - 1]
            middle = top + line * _LINE + _LINE / 2
            if own[name].get("custom.cellOptions", {}).get("type") == "color-background" and color:
                canvas.box((x - 4, middle - _LINE / 2 + 1, widths[name] - 2, _LINE - 2), color, alpha=0.35)
                color = None
            del row
            canvas.text(at, middle, fit(text, room, 12), 12, color or colors.TEXT, ha=align)
        x += widths[name]
    if len(shown) < len(rows):
        canvas.text(14, top + (len(shown) + 1.5) * _LINE, f"and {len(rows) - len(shown)} more", 12, colors.QUIET)


def _cell(cell: Cell, own: settings.Settings) -> tuple[str, str | None]:
    """Return the text of a cell and its colour where it has one."""
    text, color = colors.mapped(own.get("mappings", ()), cell)
    colored = own.get("custom.cellOptions", {}).get("type", "auto").startswith(("color", "gauge"))
    if isinstance(cell, str):
        return text or cell, color if colored else None
    if colored and color is None:
        color = own.threshold_color(cell)
    return text or units.text(cell, own.unit, own.decimals), color if colored else None


def _widths(canvas: Canvas, titles: dict[str, Any], texts: dict[str, list[tuple[str, str | None]]]) -> dict[str, float]:
    wanted = {
        name: 18 + max([width_of(titles[name], 12, bold=True), *(width_of(text, 12) for text, _ in column)])
        for name, column in texts.items()
    }
    share = (canvas.width - 24) / max(sum(wanted.values()), 1)
    return {name: wide * share for name, wide in wanted.items()}


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
