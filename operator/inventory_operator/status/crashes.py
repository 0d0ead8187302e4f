"""Whether a container ends again and again, told the same while it runs, has ended, and waits for its next start.

A container that was ready between two ends is no exception: what it says changes once, not with each of them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from inventory_operator.status.issue import left_of

Object = dict[str, Any]
#: How long a container that was started again has to run until its crash is forgotten: three minutes, or twice as long
#: as it ran before, but no longer than the kubelet remembers it: twice its longest pause between two starts
#: (hasExpired in k8s.io/client-go/util/flowcontrol/backoff.go, MaxContainerBackOff in the kubelet).
SHORTEST, LONGEST = timedelta(minutes=3), timedelta(minutes=10)
#: Restarts from which on a ready container counts as crashing: one that failed once at its start is none.
LOOP = 2


def crash(container: Object, now: str, *, stays: bool) -> Object | None:
    """Return how a container last ended, while that says something of it: its `terminated` state.

    `stays` says whether it is to run as long as its pod does, so that exit code 0 is no good end.
    """
    state = container.get("state", {})
    ended: Object | None = state.get("terminated") or container.get("lastState", {}).get("terminated")
    if not ended or (ended["exitCode"] == 0 and not stays):
        return None
    if "terminated" in state or state.get("waiting", {}).get("reason") == "CrashLoopBackOff":
        return ended
    return ended if _left(container, ended, now) else None


def forgotten_in(container: Object, now: str) -> timedelta | None:
    """Return in how long a container that runs counts as healed; None where it does not wait for that."""
    ended = container.get("lastState", {}).get("terminated")
    started = container.get("state", {}).get("running", {}).get("startedAt")
    return _left(container, ended, now) if ended and started else None


def _left(container: Object, ended: Object, now: str) -> timedelta | None:
    """Return for how long the end of a container is remembered now that it is started again; None where it is not."""
    lasted = _lasted(ended)
    loops = container.get("restartCount", 0) >= LOOP and lasted is not None and lasted < LONGEST
    if not container.get("restartCount") or (container.get("ready") and not loops):
        return None
    since = container.get("state", {}).get("running", {}).get("startedAt")
    pause = min(max(SHORTEST, 2 * (lasted or timedelta())), LONGEST)
    return (left_of(pause, since, now) or None) if since else pause


def _lasted(ended: Object) -> timedelta | None:
    started, finished = ended.get("startedAt"), ended.get("finishedAt")
    return datetime.fromisoformat(finished) - datetime.fromisoformat(started) if started and finished else None
