"""The status of pods in states that a node can bring about, for tests that plant them where no node is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

Object = dict[str, Any]
IMAGE = "registry.example.com/i:1"


def clock() -> datetime:
    """The time, which a test may let stand still."""
    return datetime.now(UTC)


def ago(seconds: float) -> str:
    return (clock() - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def condition_of(kind: str, status: str, reason: str = "", message: str = "", since: float = 300) -> Object:
    found = {"type": kind, "status": status, "lastTransitionTime": ago(since)}
    return found | ({"reason": reason} if reason else {}) | ({"message": message} if message else {})


def pod_status(*containers: Object, init: Object | None = None, **conditions: str | Object) -> Object:
    """The whole status of a running pod: a merge patch that leaves nothing of the one before."""
    known: dict[str, str | Object] = {
        "PodScheduled": "True",
        "PodReadyToStartContainers": "True",
        "ContainersReady": "False",
        "Ready": "False",
    }
    found = {**known, **conditions}
    return {
        "phase": "Running",
        "reason": None,
        "message": None,
        "conditions": [one if isinstance(one, dict) else condition_of(kind, one) for kind, one in found.items()],
        "containerStatuses": list(containers),
        "initContainerStatuses": [init] if init else [],
    }


def container(name: str = "service", **more: Any) -> Object:
    found = {"name": name, "image": IMAGE, "imageID": "", "ready": False, "restartCount": 0, "started": False}
    return {**found, **more}


def waiting(reason: str, message: str = "", **more: Any) -> Object:
    return container(**{"state": {"waiting": {"reason": reason, "message": message}}, **more})


def running(since: float = 300, *, ready: bool = False, **more: Any) -> Object:
    state = {"running": {"startedAt": ago(since)}}
    return container(**{"state": state, "ready": ready, "started": True, **more})


def ended(code: int = 3, reason: str = "Error", at: float = 60, lasted: float = 30, message: str = "") -> Object:
    times = {"startedAt": ago(at + lasted), "finishedAt": ago(at)}
    return {"terminated": {"exitCode": code, "reason": reason, "message": message, **times}}
