"""What a status says of checks: which of them speaks, since when, how many targets, and what is news."""

from __future__ import annotations

from typing import Any

import pytest
from tests.framework.passes import raw
from tests.framework.verification import part, pod

from inventory_operator.api.stack import parse
from inventory_operator.api.status import Status
from inventory_operator.status import conditions
from inventory_operator.status.parts import Observed
from inventory_operator.status.verification import MOST_TARGETS
from inventory_operator.verification.answer import Answer, Outcome, Unready
from inventory_operator.verification.result import UNCHECKED, UNPROBED, Result
from inventory_operator.verification.targets import Target, Targets

Object = dict[str, Any]
BEFORE, NOW, LATER = "2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z", "2026-02-02T00:01:00Z"
PASSED = Answer("A", Outcome.PASSED, "Fine", "all is well")
FAILED = Answer("B", Outcome.FAILED, "NotSelected", "pod b is not discovered")
LOST = Answer("C", Outcome.FAILED, "HistoryLost", "samples are gone")
UNKNOWN = Answer("D", Outcome.UNKNOWN, "PodsNotReady", "no pod is ready")
SKIPPED = Answer("E", Outcome.SKIPPED, "Disabled", "it is off")


def status(result: Result, old: Object | None = None, now: str = NOW) -> Object:
    stack = {**raw(), "status": old or {}}
    found = conditions.summarize(Observed(stack, parse(stack), (), (), {}, (), result), now)
    Status.model_validate(found)
    return found


def verified(result: Result) -> tuple[str, str, str]:
    (found,) = [one for one in status(result)["conditions"] if one["type"] == "Verified"]
    return found["status"], found["reason"], found["message"]


@pytest.mark.parametrize(
    ("result", "expected", "summary"),
    [
        (Result(1, (PASSED,)), ("True", "AllChecksPassed", "every check is passed"), "1/1"),
        (Result(1, (PASSED, SKIPPED)), ("True", "AllChecksPassed", "every check is passed; skipped: E"), "1/1"),
        (Result(1, (PASSED, FAILED)), ("False", "NotSelected", "B: pod b is not discovered"), "1/2"),
        (Result(1, (UNKNOWN, FAILED, LOST)), ("False", "NotSelected", "B: pod b is not discovered; and 1 more"), "0/3"),
        (Result(1, (PASSED, UNKNOWN)), ("Unknown", "PodsNotReady", "D: no pod is ready"), "1/2"),
    ],
)
def test_the_first_check_that_is_not_passed_speaks(result: Result, expected: tuple[str, ...], summary: str) -> None:
    assert verified(result) == expected
    assert status(result)["verification"]["summary"] == summary


@pytest.mark.parametrize("result", [UNCHECKED, Result(2, (PASSED,)), Result(None, (FAILED,))])
def test_what_did_not_answer_for_this_generation_says_nothing(result: Result) -> None:
    assert verified(result)[:2] == ("Unknown", "NotChecked")


def test_from_outside_of_a_cluster_nothing_is_known() -> None:
    assert verified(UNPROBED)[:2] == ("Unknown", "NotProbed")
    assert {"verification", "targets"} & status(UNPROBED).keys() == set()


def test_what_checks_say_changes_no_other_condition() -> None:
    found = [status(one)["conditions"] for one in (UNPROBED, Result(1, (PASSED,)), Result(1, (FAILED,)))]
    others = [[one for one in each if one["type"] != "Verified"] for each in found]
    assert others[0] == others[1] == others[2]


@pytest.mark.parametrize(
    ("unready", "end"),
    [
        (Unready("shop-1", "The database is read-only."), ": The database is read-only."),
        (Unready("x", "y"), ""),
        (None, ""),
    ],
)
def test_a_database_that_is_not_reached_is_told_of_in_the_words_of_the_pod(unready: Unready | None, end: str) -> None:
    def told(*, ready: bool) -> str:
        one = pod("shop-1", "service", ready=ready)
        container = {"name": "service", "ready": ready, "started": True, "state": {"running": {"startedAt": BEFORE}}}
        one["status"]["containerStatuses"] = [container]
        deployment, *others = part("service", one)
        deployment["spec"]["template"] = {"spec": {"containers": [{"name": "service", "image": "a"}]}}
        stack = raw()
        observed = Observed(stack, parse(stack), (), (deployment, *others), {}, (), Result(unready=unready))
        found = {one["type"]: one for one in conditions.summarize(observed, NOW)["conditions"]}
        return str(found["DatabaseAvailable"]["message"])

    assert told(ready=False) == f"SQLite: pod shop-1 runs, but does not report its database as ready{end}"
    assert told(ready=True) == "SQLite: 1 of 1 service pods reach it"


def test_since_moves_with_the_status_alone() -> None:
    first = status(Result(1, (PASSED, FAILED)))
    other = Answer("B", Outcome.FAILED, "Timeout", "pod b does not answer")
    again = status(Result(1, (PASSED, other)), first, LATER)
    assert [one["since"] for one in again["verification"]["checks"]] == [NOW, NOW]
    assert again["verification"]["checks"][1]["reason"] == "Timeout"
    healed = status(Result(1, (PASSED, Answer("B", Outcome.PASSED, "Fine", "well"))), again, LATER)
    assert [one["since"] for one in healed["verification"]["checks"]] == [NOW, LATER]


def test_of_many_targets_the_last_says_how_many_more() -> None:
    missed = tuple(Target(f"pod-{n}", "NotSelected", "is not discovered") for n in range(MOST_TARGETS + 5))
    found = status(Result(1, (FAILED,), Targets(20, 5, missed)))["targets"]
    assert (found["summary"], len(found["others"])) == ("5/20", MOST_TARGETS)
    assert found["others"][-1]["message"] == "is not discovered; and 5 more"


def test_nothing_is_written_where_nothing_changed() -> None:
    result = Result(1, (PASSED, FAILED), Targets(2, 1, (Target("a", "Timeout", "x"),)))
    first = status(result)
    assert conditions.same(first, status(result, first, LATER))
    assert not conditions.same(first, status(UNPROBED, first, LATER)), "what is not known any more goes"
    assert not conditions.same(first, status(Result(1, (PASSED, FAILED)), first, LATER))
    assert conditions.same({**first, "anothers": 1}, status(result, first, LATER))


def test_an_event_tells_of_answers_and_not_that_they_are_to_come() -> None:
    steps = [UNCHECKED, Result(1, (PASSED,)), UNCHECKED, Result(1, (FAILED,)), Result(1, (UNKNOWN,))]
    told, old = [], {}
    for step in steps:
        new = status(step, old)
        told += [one["reason"] for one in conditions.transitions(old, new) if one["type"] == "Verified"]
        old = new
    assert told == ["AllChecksPassed", "NotSelected", "PodsNotReady"]
