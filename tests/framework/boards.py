"""The committed dashboards, taken apart for tests; it never knows how they were made.

They are read once: no test changes them.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.framework.rendered import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

RELOAD = ROOT / "templates/grafana/config/reload"
#: Ours select with braces, always: what has none is no metric.
SELECTOR = re.compile(r"(?<![\w:])([A-Za-z_:][\w:]*)\{((?:[^}\"]|\"[^\"]*\")*)\}")
MATCHER = re.compile(r"(\w+)(=~|!~|!=|=)\"([^\"]*)\"")
WORD = re.compile(r"(?<![\w:.])[A-Za-z_:][\w:]*")
KEYWORDS = {
    *("sum", "max", "min", "count", "group", "by", "without", "on", "ignoring", "group_left", "group_right"),
    *("and", "or", "unless", "bool", "offset"),
}


class Query(NamedTuple):
    """One query, and where it is."""

    board: str
    panel: str
    place: int
    expr: str


class Selector(NamedTuple):
    """The series that a query asks for."""

    metric: str
    matchers: list[tuple[str, str, str]]


@cache
def dashboards() -> dict[str, dict[str, Any]]:
    return {file.name: json.loads(file.read_text("utf-8")) for file in sorted(RELOAD.glob("*.json"))}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels that are no rows; ours are never inside of a row."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def with_queries(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in panels(board) if panel["type"] != "text"]


def queries(board: dict[str, Any]) -> Iterator[Query]:
    for panel in with_queries(board):
        for place, target in enumerate(panel["targets"]):
            yield Query(board["title"], panel["title"], place, target["expr"])


def selectors(expr: str) -> list[Selector]:
    return [Selector(metric, MATCHER.findall(matchers)) for metric, matchers in SELECTOR.findall(expr)]


def stray_words(expr: str) -> set[str]:
    """Return the words that are neither metrics with braces, nor functions, nor part of the language."""
    bare = SELECTOR.sub(" ", expr)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    bare = re.sub(r"\"[^\"]*\"|\[[^\]]*\]|\b\w+\s*\(", " ", bare)
    return set(WORD.findall(bare)) - KEYWORDS


def interpolated(expr: str) -> str:
    """Return the query with every variable at All, and the shortest interval of a graph."""
    expr = expr.replace("$__rate_interval", "1m").replace("$container", "service")
    return re.sub(r"\$(namespace|stack|job|pod)\b", ".+", expr)
