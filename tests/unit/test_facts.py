"""Which of a user's files get beside ours, and what is said of the others."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from inventory_operator.api.metadata import Stack
from inventory_operator.api.stack import parse
from inventory_operator.components.blocker import Turn
from inventory_operator.components.config_tools import CheckerMissingError
from inventory_operator.components.user_files import LARGEST_TOGETHER
from inventory_operator.controller.inputs import InputCollector

SHOP = Stack("ns", "shop", "uid")
TARGET = "user-team_rules.yml.rules.yml"
RULES = {"prometheus": {"additionalRules": [{"name": "team", "key": "rules.yml"}]}}


class FakeChecks:
    """Refuses what contains `bad`; can't be run where there is no program."""

    def __init__(self, *, missing: bool = False) -> None:
        self.missing = missing

    async def rules(self, text: str) -> str | None:
        if self.missing:
            raise CheckerMissingError("promtool can't be run: No such file or directory")
        return "line 1: bad" if "bad" in text else None

    prometheus = rules


def collector(data: dict[str, str] | None, live: dict[str, str] | None = None, **checks: bool) -> InputCollector:
    child = SimpleNamespace(obj={"data": live or {}})
    store = SimpleNamespace(of=lambda _: {("ConfigMap", "shop-prometheus"): child} if live is not None else {})
    watcher = SimpleNamespace(data=lambda *_: data)
    unused: Any = None
    return InputCollector(unused, store, watcher, unused, FakeChecks(**checks))  # type: ignore[arg-type]


def spec(**fields: Any) -> Any:
    return parse({"metadata": {"name": "shop"}, "spec": fields})


async def test_a_good_file_gets_beside_ours() -> None:
    files, refused = await collector({"rules.yml": "good"}).files(SHOP, spec(**RULES))
    assert files == {"prometheus": {TARGET: "good"}}
    assert refused == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"rules.yml": "bad"}, "line 1: bad"),
        ({"other.yml": "good"}, "it has no key rules.yml"),
        (None, "ConfigMap not found"),
    ],
)
async def test_of_a_refused_file_the_live_version_stays(data: dict[str, str] | None, words: str) -> None:
    files, (blocker,) = await collector(data, {TARGET: "good"}).files(SHOP, spec(**RULES))
    assert files == {"prometheus": {TARGET: "good"}}
    assert (blocker.component, blocker.reason, blocker.turn) == ("prometheus", "InvalidRules", Turn.USER)
    where = "spec.prometheus.additionalRules[0]: ConfigMap team, key rules.yml: "
    assert blocker.message == f"{where}{words}; its last good version stays in use"
    files, _ = await collector(data).files(SHOP, spec(**RULES))
    assert files == {}, "there never was a good one"


async def test_without_a_program_to_judge_nothing_new_is_taken() -> None:
    files, (blocker,) = await collector({"rules.yml": "good"}, missing=True).files(SHOP, spec(**RULES))
    assert files == {}
    assert "can't be checked: promtool can't be run" in blocker.message


async def test_files_that_are_too_large_together_are_refused_in_their_order() -> None:
    def board(uid: str) -> str:
        # Two bytes each: what counts is what the ConfigMap holds, not how many characters that is.
        text = "ä" * (LARGEST_TOGETHER // 4)
        return json.dumps({"title": uid, "uid": uid, "description": text}, ensure_ascii=False)

    data = {"a.json": board("a"), "b.json": board("b")}
    grafana = {"dashboards": [{"name": "team", "key": key} for key in data]}
    files, (blocker,) = await collector(data).files(SHOP, spec(grafana=grafana))
    assert list(files["grafana"]) == ["user-team_a.json.json"]
    assert blocker.reason == "InvalidDashboard"
    assert "spec.grafana.dashboards[1]" in blocker.message
    assert f"{LARGEST_TOGETHER:,} bytes" in blocker.message
