"""Configuration with words of a user is judged before it is written; what no user touched is not."""

from __future__ import annotations

from typing import Any

import pytest
from tests.framework.passes import NAMES, FakeChecker, Pass

from inventory_operator.components.blocker import Blocker, Turn

MUTED = {"muteTimes": [{"name": "nights"}]}
WRITTEN = {"remoteWrite": [{"url": "http://a.example"}]}
EVERYTHING = ("",)


async def refused(checker: FakeChecker, **fields: Any) -> dict[tuple[str, str], Blocker]:
    scope = await Pass(checker=checker).planned(**fields)
    return {blocker.target: blocker for blocker in scope.blockers}


@pytest.mark.parametrize("fields", [{}, {"alerting": {"enabled": False, **MUTED}}, {"alerting": {"replicas": 2}}])
async def test_what_no_user_touched_is_not_judged(fields: dict[str, Any]) -> None:
    checker = FakeChecker(EVERYTHING)
    assert await refused(checker, **fields) == {}
    assert checker.asked == []


async def test_only_the_configuration_that_is_refused_is_held_back() -> None:
    found = await refused(FakeChecker(EVERYTHING), alerting=MUTED, prometheus=WRITTEN)
    assert found.keys() == {("ConfigMap", NAMES.alertmanager), ("ConfigMap", NAMES.prometheus)}
    blocker = found["ConfigMap", NAMES.alertmanager]
    assert (blocker.reason, blocker.turn) == ("InvalidConfiguration", Turn.USER)
    assert blocker.message == "alertmanager.yml: line 1: bad; the last good one stays in use"


async def test_a_missing_program_is_nothing_that_a_user_could_cure() -> None:
    (blocker,) = (await refused(FakeChecker(missing=True), alerting=MUTED)).values()
    assert blocker.turn is Turn.CLUSTER
    assert "can't be checked: amtool can't be run" in blocker.message


@pytest.mark.parametrize("fields", [{"paused": True}, {"service": {"replicas": 0}}])
async def test_what_is_paused_or_can_not_be_read_has_no_plan(fields: dict[str, Any]) -> None:
    assert (await Pass().planned(**fields)).desired == ()
