"""Configuration with words of a user is judged before it is written; what no user touched is not."""

from __future__ import annotations

from typing import Any

import pytest
from tests.framework.rendered import rendered, stack

from inventory_operator.api.stack import parse
from inventory_operator.components.blocker import Blocker, Turn
from inventory_operator.components.config_tools import CheckerMissingError
from inventory_operator.components.config_validation import validate_rendered_config

MUTED = {"muteTimes": [{"name": "nights"}]}
WRITTEN = {"remoteWrite": [{"url": "http://a.example"}]}


class FakeChecks:
    """Refuses all that it is shown, and keeps which program was asked."""

    def __init__(self, *, missing: bool = False) -> None:
        self.asked: list[str] = []
        self.missing = missing

    async def _refuse(self, program: str) -> str:
        self.asked.append(program)
        if self.missing:
            raise CheckerMissingError("amtool can't be run: No such file or directory")
        return "is bad"

    async def prometheus(self, _: str) -> str:
        return await self._refuse("prometheus")

    async def alertmanager(self, _: str) -> str:
        return await self._refuse("alertmanager")


async def judged(checks: FakeChecks, **fields: Any) -> dict[tuple[str, str], Blocker]:
    raw = stack(**fields)
    found = await validate_rendered_config(checks, parse(raw), rendered(raw))  # type: ignore[arg-type]
    return {blocker.target: blocker for blocker in found}


@pytest.mark.parametrize("fields", [{}, {"alerting": {"enabled": False, **MUTED}}, {"alerting": {"replicas": 2}}])
async def test_what_no_user_touched_is_not_judged(fields: dict[str, Any]) -> None:
    checks = FakeChecks()
    assert await judged(checks, **fields) == {}
    assert checks.asked == []


async def test_only_the_configuration_that_is_refused_is_held_back() -> None:
    found = await judged(FakeChecks(), alerting=MUTED, prometheus=WRITTEN)
    assert found.keys() == {("ConfigMap", "shop-alertmanager"), ("ConfigMap", "shop-prometheus")}
    blocker = found["ConfigMap", "shop-alertmanager"]
    assert (blocker.reason, blocker.turn) == ("InvalidConfiguration", Turn.USER)
    assert blocker.message == "alertmanager.yml: is bad; the last good one stays in use"


async def test_a_missing_program_is_nothing_that_a_user_could_cure() -> None:
    (blocker,) = (await judged(FakeChecks(missing=True), alerting=MUTED)).values()
    assert blocker.turn is Turn.CLUSTER
    assert "can't be checked: amtool can't be run" in blocker.message
