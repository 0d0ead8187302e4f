"""The preview of the dashboards: what it draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.unit.preview_boards import LINES, THRESHOLDS, WINDOW, answer_of, dashboard, panel, scope
from tests.unit.prometheus_stub import REFUSED, Stub, vector

from dashboards.preview import asking, colors, pictures

if TYPE_CHECKING:
    from dashboards.preview.client import Client

OPTIONS = {
    "legend": {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull", "max"]}
}
KINDS = {
    "lines": panel("timeseries", "lines", options=OPTIONS),
    "a list as legend": panel("timeseries", "lines", options={"legend": {"displayMode": "list", "showLegend": True}}),
    "a legend beside": panel("timeseries", "lines", options={"legend": {**OPTIONS["legend"], "placement": "right"}}),
    "no legend": panel("timeseries", "lines", options={"legend": {"showLegend": False}}),
    "bars": panel("timeseries", "lines", defaults={"custom": {"drawStyle": "bars", "stacking": {"mode": "normal"}}}),
    "plain bars": panel("timeseries", "lines", defaults={"custom": {"drawStyle": "bars"}}),
    "stacked": panel("timeseries", "lines", defaults={"custom": {"fillOpacity": 30, "stacking": {"mode": "normal"}}}),
    "points": panel("timeseries", "lines", defaults={"unit": "bytes", "custom": {"drawStyle": "points"}}),
    "dashed": panel("timeseries", "lines", defaults={"custom": {"lineStyle": {"fill": "dash"}, "fillOpacity": 10}}),
    "limits": panel(
        "timeseries",
        "lines",
        defaults={"thresholds": THRESHOLDS, "custom": {"thresholdsStyle": {"mode": "dashed+area"}}},
    ),
    "a second axis": panel("timeseries", "lines", defaults={"min": 0, "max": 0, "custom": {"axisPlacement": "right"}}),
    "stat": panel("stat", "numbers", options={"colorMode": "background"}),
    "stat with a line": panel("stat", "numbers", options={"graphMode": "area"}),
    "bargauge": panel("bargauge", "numbers"),
    "gauge": panel("gauge", "numbers", defaults={"unit": "percentunit", "min": 0, "thresholds": THRESHOLDS}),
    "table": panel("table", "numbers", defaults={"custom": {"cellOptions": {"type": "color-background"}}}),
    "states": panel("state-timeline", "lines"),
    "text": panel("text", options={"content": "# Title\n\n- **one** [two](x)\n\n" + "many words " * 500}),
    "unknown": panel("piechart", "numbers"),
    "no data": panel("timeseries", "nothing{a='$'}"),
    "an error": panel("table", "refused"),
    "row": panel("row", at=(0, 0, 24, 1)),
    "very small": panel("timeseries", "lines", at=(0, 0, 2, 2), options=OPTIONS),
    "very small table": panel("table", "numbers", at=(0, 0, 2, 2)),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_at_its_size(kind: str, stub: Stub, client: Client) -> None:
    numbers = vector(*[({"pod": f"pod {number}"}, str(number)) for number in range(12)], ({"pod": "none"}, "NaN"))
    stub.answers = {"lines": LINES, "numbers": numbers, "refused": REFUSED}
    answer = answer_of(KINDS[kind], client)
    picture = pictures.panel(answer, WINDOW)
    box = answer.panel.box
    assert picture.shape == (box.h * 38 - 8, round(box.w * 1600 / 24) - 8, 4)
    # Each pixel as one number: to compare rows of four takes five times as long as to draw.
    assert len(np.unique(picture.view(np.uint32))) > 5, "something is drawn"


def test_what_is_drawn_is_what_was_measured(stub: Stub, client: Client) -> None:
    """A bar of twice the number is twice as long, and has the colour of its threshold."""
    stub.answers = {"x": vector(({"pod": "a"}, "4"), ({"pod": "b"}, "8"))}
    picture = pictures.panel(answer_of(panel("bargauge", "x"), client), WINDOW)
    lengths = []
    for name in ("orange", "red"):
        rgb = [int(colors.named(name)[at : at + 2], 16) for at in (1, 3, 5)]
        lengths.append((picture[:, :, :3] == rgb).all(axis=2).sum(axis=1).max())
    assert lengths[1] == pytest.approx(2 * lengths[0], rel=0.02)


def test_panels_lie_in_the_picture_of_the_dashboard_as_in_the_grid(stub: Stub, client: Client) -> None:
    found = dashboard(panel("stat", "a", at=(0, 0, 6, 4)), panel("stat", "b", at=(18, 4, 6, 4)))
    answers = asking.ask(found, scope(), client)
    drawn = [pictures.panel(answer, WINDOW) for answer in answers]
    whole = pictures.board(found, answers, drawn)
    assert whole.shape[1] == 1600
    for answer, picture in zip(answers, drawn, strict=True):
        y, x = 46 + answer.panel.box.y * 38, answer.panel.box.x * 1600 // 24 + 4
        assert (whole[y : y + picture.shape[0], x : x + picture.shape[1]] == picture).all()
