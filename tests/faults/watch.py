"""Polls one stack: its alerts in Prometheus, and what its Alertmanager holds back.

An answer that fails is no evidence of health: the states stay those of the last good answer.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import requests
from tests.faults.evidence import ALWAYS, Change, changes, states
from tests.framework.prometheus import Part, Prometheus

if TYPE_CHECKING:
    from tests.framework.api import Api

#: Every so many looks at Prometheus one at Alertmanager.
_SELDOM = 5


class Watch:
    """What was seen of the alerts of one stack."""

    def __init__(self, api: Api, namespace: str, stack: str) -> None:
        self._prometheus = Prometheus(api, namespace, stack)
        self._alertmanager = Part(api, namespace, f"{stack}-alertmanager", 9093)
        self._looks = 0
        self.now: dict[str, str] = {}
        self.changes: list[Change] = []
        self.inhibited: set[str] = set()

    def look(self) -> list[Change]:
        """Ask once; return what changed since the last answer."""
        self._looks += 1
        if self._looks % _SELDOM == 0:
            self.inhibited |= self._held_back()
        answer = _quietly(self._prometheus, "api/v1/alerts")
        if answer is None:
            return []
        now = states(answer["data"]["alerts"])
        new = changes(self.now, now, time.time())
        self.now = now
        self.changes += new
        return new

    def firing(self) -> set[str]:
        """Return what fires now, but for the alert that always does."""
        return {name for name, state in self.now.items() if state == "firing"} - {ALWAYS}

    def _held_back(self) -> set[str]:
        alerts = _quietly(self._alertmanager, "api/v2/alerts") or []
        return {alert["labels"]["alertname"] for alert in alerts if alert["status"]["inhibitedBy"]}


def _quietly(part: Part, path: str) -> Any:
    try:
        return part.get(path)
    except requests.RequestException:
        return None
