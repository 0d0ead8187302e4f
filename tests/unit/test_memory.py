"""What is remembered of a child: a refusal is believed for a while, and for exactly the same write only."""

from __future__ import annotations

import pytest

from inventory_operator.controller import apply_state
from inventory_operator.controller.apply_state import ApplyState
from inventory_operator.kube.client import ApiError

REFUSED, FORBIDDEN = ApiError(422, "Invalid", "no"), ApiError(403, "Forbidden", "no")


def test_nothing_is_refused_at_first() -> None:
    ApplyState().raise_if_backing_off("stamp", b"")


def test_the_same_write_is_not_sent_again_at_once() -> None:
    remembered = ApplyState()
    remembered.failed("stamp", b"fields", REFUSED)
    with pytest.raises(ApiError) as raised:
        remembered.raise_if_backing_off("stamp", b"fields")
    assert raised.value is REFUSED


@pytest.mark.parametrize("changed", [("another", b"fields"), ("stamp", b"others")])
def test_another_manifest_or_another_live_object_may_be_tried_at_once(changed) -> None:
    remembered = ApplyState()
    remembered.failed("stamp", b"fields", REFUSED)
    remembered.raise_if_backing_off(*changed)


@pytest.mark.parametrize(("error", "first"), [(REFUSED, 15.0), (FORBIDDEN, 0.1)])
def test_pauses_double_up_to_the_longest(error, first) -> None:
    remembered = ApplyState()
    for failures in range(20):
        remembered.failed("stamp", b"", error)
        expected = min(apply_state.LONGEST_PAUSE_SECONDS, first * 2 ** min(failures, 12))
        assert expected - 0.05 < remembered.retry_seconds <= expected + 0.001


def test_after_the_pause_it_may_be_tried_again() -> None:
    remembered = ApplyState()
    remembered.failed("stamp", b"", REFUSED)
    remembered._not_before -= 15.0
    remembered.raise_if_backing_off("stamp", b"")
    assert remembered.retry_seconds == 0.01


def test_a_success_ends_the_refusal_and_its_pauses() -> None:
    remembered = ApplyState()
    for _ in range(4):
        remembered.failed("stamp", b"", REFUSED)
    remembered.succeeded("stamp", b"fields", 7)
    assert remembered.applied == ("stamp", b"fields")
    assert remembered.verified == (7, "stamp")
    remembered.raise_if_backing_off("stamp", b"")
    remembered.failed("stamp", b"", REFUSED)
    assert remembered.retry_seconds <= 15.0
