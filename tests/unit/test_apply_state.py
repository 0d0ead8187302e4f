"""What the operator remembers of a child: a refusal is believed for a while, and for exactly the same write only."""

from __future__ import annotations

import traceback

import pytest

from inventory_operator.controller import apply_state
from inventory_operator.controller.apply_state import ApplyState
from inventory_operator.kube.client import ApiError

REFUSED, FORBIDDEN = ApiError(422, "Invalid", "no"), ApiError(403, "Forbidden", "no")


class Clock:
    """The time as the state reads it."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(clock: Clock) -> ApplyState:
    return ApplyState(clock=clock)


@pytest.fixture
def refused(state: ApplyState) -> ApplyState:
    """What is remembered after a write that failed."""
    state.begin("hash", b"fields")
    state.failed(REFUSED)
    return state


def test_nothing_is_refused_at_first() -> None:
    ApplyState().begin("hash")


def test_the_same_write_is_not_sent_again_at_once(refused: ApplyState) -> None:
    with pytest.raises(ApiError) as raised:
        refused.begin("hash", b"fields")
    assert raised.value is REFUSED


def test_a_remembered_error_is_no_further_failure_and_does_not_grow(refused: ApplyState) -> None:
    depths, pause = set(), refused.retry_seconds
    for _ in range(5):
        with pytest.raises(ApiError) as raised:
            refused.begin("hash", b"fields")
        depths.add(len(traceback.extract_tb(raised.value.__traceback__)))
        refused.failed(raised.value)
    assert len(depths) == 1
    assert refused.retry_seconds == pause


@pytest.mark.parametrize("changed", [("another", b"fields"), ("hash", b"others")])
def test_another_manifest_or_another_live_object_may_be_tried_at_once(refused: ApplyState, changed) -> None:
    refused.begin(*changed)


@pytest.mark.parametrize(("error", "first"), [(REFUSED, 15.0), (FORBIDDEN, 0.1), (TimeoutError(), 0.1)])
def test_pauses_double_up_to_the_longest(state: ApplyState, error, first) -> None:
    for failures in range(20):
        state.begin(f"hash {failures}")
        state.failed(type(error)(*error.args) if not isinstance(error, ApiError) else ApiError(error.code, "", "no"))
        expected = min(apply_state.LONGEST_PAUSE_SECONDS, first * 2 ** min(failures, 12))
        assert state.retry_seconds == pytest.approx(expected)


def test_what_fails_before_it_begins_has_its_pauses_too(state: ApplyState) -> None:
    """An object that can't even be looked at."""
    for _ in range(12):
        state.failed(ApiError(403, "Forbidden", "no"))
    assert state.retry_seconds == 20


def test_after_the_pause_it_may_be_tried_again(refused: ApplyState, clock: Clock) -> None:
    clock.now += 15.0
    refused.begin("hash", b"fields")
    assert refused.retry_seconds == 0.01


def test_a_success_ends_the_refusal_and_its_pauses(state: ApplyState) -> None:
    for failures in range(4):
        state.begin(f"hash {failures}")
        state.failed(ApiError(422, "Invalid", "no"))
    state.succeeded()
    state.begin("hash 3")
    state.failed(ApiError(422, "Invalid", "no"))
    assert state.retry_seconds == 15.0
