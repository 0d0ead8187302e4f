"""Writes the one page with all pictures in it.

It never needs a script, a network or a file beside it.
"""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

from dashboards.preview import asking
from inventory_operator.verification.panel_queries import ROW

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dashboards.preview.asking import Answer
    from dashboards.preview.summary import Drawn

_STYLE = """
:root { color-scheme: dark; }
body { background: #111217; color: #ccccdc; font: 15px/1.45 system-ui, sans-serif; margin: 1rem auto; max-width: 1616px; padding: 0 .5rem; }
a { color: #8ab8ff; } code, pre { font: 12.5px/1.4 ui-monospace, monospace; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0; }
.board { display: grid; grid-template-columns: repeat(24, minmax(0, 1fr)); gap: 8px; }
.board > * { min-width: 0; }
.board h3 { margin: .9rem 0 0; font-size: 1.05rem; }
figure { margin: 0; background: #181b1f; border-radius: 3px; padding-bottom: .4rem; }
figure img { display: block; width: 100%; height: auto; }
figcaption { padding: .2rem .7rem 0; font-size: .85rem; color: #a9a9b8; }
summary { cursor: pointer; }
.lacking { outline: 1px solid #ff9830; } .refused { outline: 1px solid #f2495c; }
table { border-collapse: collapse; } td, th { padding: .15rem .9rem .15rem 0; text-align: left; }
@media (max-width: 900px) { .board { display: block; } figure { margin-bottom: 8px; } }
""".strip()  # noqa: E501 - one rule, one line
_CLASSES = {asking.EMPTY: "lacking", asking.PARTIAL: "lacking", asking.ERROR: "refused"}


def page(drawn: Sequence[Drawn], pictures: Sequence[Sequence[bytes]], about: str) -> str:
    """Return the HTML; `pictures` are the PNGs of each dashboard's panels, `about` says of what and when."""
    parts = [
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Dashboards</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{_STYLE}</style>\n<h1>Dashboards</h1>\n<p>{escape(about)}</p>",
        *_overview(drawn),
    ]
    for each, pngs in zip(drawn, pictures, strict=True):
        parts.append(f'<section>\n<h2 id="{escape(each.board.name)}">{escape(each.board.title)}</h2>')
        parts.append(f'<p>{escape(each.board.description)}</p>\n<div class="board">')
        parts += [_panel(each, answer, png) for answer, png in zip(each.answers, pngs, strict=True)]
        parts.append("</div>\n</section>")
    return "\n".join(parts) + "\n</html>\n"


def _overview(drawn: Sequence[Drawn]) -> Iterator[str]:
    yield "<table>\n<tr><th>dashboard</th><th>panels</th><th>with data</th><th>without</th></tr>"
    for each in drawn:
        answers = [answer for answer, _ in each.panels()]
        without = [answer for answer in answers if answer.status != asking.DATA]
        links = ", ".join(f'<a href="#{_anchor(each, it)}">{escape(it.title)}</a> ({it.status})' for it in without)
        name = f'<a href="#{escape(each.board.name)}">{escape(each.board.title)}</a>'
        yield f"<tr><td>{name}</td><td>{len(answers)}</td><td>{len(answers) - len(without)}</td><td>{links}</td></tr>"
    yield "</table>"


def _panel(drawn: Drawn, answer: Answer, png: bytes) -> str:
    box = answer.panel.box
    place = f'style="grid-column: {box.x + 1} / span {box.w}; grid-row: {box.y + 1} / span {box.h}"'
    if answer.panel.kind == ROW:
        return f"<h3 {place}>{escape(answer.title)}</h3>"
    image = f'<img alt="{escape(_described(answer))}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
    said = f"<div>{escape(answer.panel.description)}</div>" if answer.panel.description else ""
    mark = f' class="{_CLASSES[answer.status]}"' if answer.status in _CLASSES else ""
    return (
        f'<figure id="{_anchor(drawn, answer)}"{mark} {place}>\n{image}\n'
        f"<figcaption>{said}{_queries(answer)}</figcaption>\n</figure>"
    )


def _queries(answer: Answer) -> str:
    if not answer.asked:
        return ""
    found = sum(query.series for query in answer.asked)
    lines = [
        f"<pre>{escape(query.ref)}: {escape(query.expr)}\n   {escape(query.error) or f'{query.series} series'}</pre>"
        for query in answer.asked
    ]
    return f"<details><summary>{len(answer.asked)} queries, {found} series</summary>{''.join(lines)}</details>"


def _described(answer: Answer) -> str:
    """Return what stands for the picture where it can't be seen."""
    if answer.status == asking.STATIC:
        return answer.title or answer.panel.kind
    names = ", ".join(series.name for series in answer.series[:10])
    return f"{answer.title}: {answer.status}" + (f": {names}" if names else "")


def _anchor(drawn: Drawn, answer: Answer) -> str:
    return f"{escape(drawn.board.name)}-{answer.panel.id}"
