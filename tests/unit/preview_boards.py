"""Panels, dashboards and answers for the tests of the preview."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.unit.prometheus_stub import NOW, matrix

from dashboards.preview import asking, board
from inventory_operator.verification.panel_times import Window
from inventory_operator.verification.panel_variables import Scope, Value

if TYPE_CHECKING:
    from dashboards.preview.client import Client

WINDOW = Window(NOW - 900, NOW, 10)
STEPS = [{"color": "green", "value": None}, {"color": "orange", "value": 1}, {"color": "red", "value": 5}]
THRESHOLDS = {"mode": "absolute", "steps": STEPS}
RED = {"mode": "fixed", "fixedColor": "red"}
LINES = matrix(({"pod": "a"}, ["1", "2", "NaN", "4", "3"]), ({"pod": "ü$x^2$ 商品"}, ["5", "5", "5", "5", "+Inf"]))


def panel(
    kind: str, *exprs: str, title: str = "Panel", at: tuple[int, int, int, int] = (0, 0, 12, 8), **rest: Any
) -> dict:
    x, y, w, h = at
    form = {
        "instant": kind not in {"timeseries", "state-timeline"},
        "format": "table" if kind == "table" else "time_series",
    }
    targets = [
        {"refId": letter, "expr": expr, "legendFormat": rest.pop("legend", "{{pod}}"), **form}
        for letter, expr in zip("ABC", exprs, strict=False)
    ]
    defaults = rest.pop("defaults", {"unit": "none", "thresholds": THRESHOLDS})
    return {
        "id": abs(hash((kind, title))) % 10_000,
        "type": kind,
        "title": title,
        "description": "What it shows.",
        "gridPos": {"x": x, "y": y, "w": w, "h": h},
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": rest.pop("overrides", [])},
        **rest,
    }


def dashboard(*panels: dict, **rest: Any) -> board.Board:
    return board.parse("test", {"title": "Test", "panels": list(panels), **rest})


def scope(**values: str) -> Scope:
    result = Scope(WINDOW)
    result.values = {name: Value(text, text) for name, text in values.items()}
    return result


def answer_of(raw: dict, client: Client) -> asking.Answer:
    (answer,) = asking.ask(dashboard(raw), scope(), client)
    return answer


def variable(kind: str, name: str = "v", **rest: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **rest}
