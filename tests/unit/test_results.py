"""What the metric of reconciles calls an outcome: only what the cluster or we must cure is an error."""

from __future__ import annotations

import pytest

from inventory_operator.components.failure import Failure
from inventory_operator.controller.reconciler import _result
from inventory_operator.status.conditions import Problem

PROBLEM = Problem("InvalidSpec", "spec.replicas: unknown field")


def failed(reason: str, *, permanent: bool = False) -> Failure:
    return Failure("service", "Deployment shop", reason, "message", permanent, 5.0)


@pytest.mark.parametrize(
    ("problem", "failures", "result"),
    [
        (None, [], "success"),
        (PROBLEM, [], "invalid"),
        (None, [failed("WaitingForDeletion")], "waiting"),
        (None, [failed("WaitingForDatabase"), failed("InvalidRules", permanent=True)], "invalid"),
        (None, [failed("ApplyFailed")], "error"),
        (None, [failed("InvalidRules", permanent=True), failed("ApplyFailed")], "error"),
    ],
)
def test_an_outcome_says_whose_turn_it_is(problem: Problem | None, failures: list[Failure], result: str) -> None:
    assert _result(problem, failures) == result
