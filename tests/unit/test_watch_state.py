"""What a watch says of itself: a moment's fault is nothing, what lasts is told, and who is silent hangs."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from inventory_operator.cache.watch_state import GRACE_SECONDS, STUCK_SECONDS, WatchState


class Clock:
    """The time as the watch's state reads it."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_before_its_first_list_it_says_why_it_waits() -> None:
    state = WatchState("Secret")
    assert state.problem() == "Secret: not listed yet"
    assert state.stuck() is None, "it may begin late"
    state.broke("403 Forbidden")
    assert state.problem() == "Secret: not listed yet: 403 Forbidden"


def test_only_what_lasts_is_a_problem(clock: Clock) -> None:
    state = WatchState("Secret", listed=True, clock=clock)
    state.broke("503")
    clock.now += GRACE_SECONDS
    assert state.problem() is None
    clock.now += 0.1
    state.broke("connection refused")
    assert state.problem() == "Secret: not watched: connection refused", "since the first fault"
    state.works()
    assert state.problem() is None


def test_who_gives_no_sign_of_life_hangs(clock: Clock) -> None:
    state = WatchState("Secret", listed=True, clock=clock)
    state.heard()
    clock.now += STUCK_SECONDS
    assert state.stuck() is None
    clock.now += 1
    assert state.stuck() == "Secret: the watch gave no sign of life for 401 s"
    state.broke("503")
    assert state.stuck() is None, "it tries"


def test_a_reason_is_logged_once_with_what_it_is_about() -> None:
    with capture_logs() as logs:
        state = WatchState("Secret", {"namespace": "shop"})
        for error in ("503", "503", "404"):
            state.broke(error)
        state.works()
        state.works()
    assert [entry["event"] for entry in logs] == ["watch broke", "watch broke", "watch is back"]
    assert {entry["namespace"] for entry in logs} == {"shop"}
