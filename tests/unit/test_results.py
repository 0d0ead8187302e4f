"""What the metric of reconciles calls an outcome: only what the cluster or we must cure is an error."""

from __future__ import annotations

import pytest

from inventory_operator.components.blocker import Blocker, Turn
from inventory_operator.controller.reconciler import _result


@pytest.mark.parametrize(
    ("turns", "result"),
    [
        ([], "success"),
        ([Turn.USER], "invalid"),
        ([Turn.WAITING], "waiting"),
        ([Turn.WAITING, Turn.USER], "invalid"),
        ([Turn.CLUSTER], "error"),
        ([Turn.USER, Turn.CLUSTER], "error"),
    ],
)
def test_an_outcome_says_whose_turn_it_is(turns: list[Turn], result: str) -> None:
    assert _result([Blocker(("Deployment", "shop"), "service", "Reason", "message", turn) for turn in turns]) == result
