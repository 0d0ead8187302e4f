"""Every status that a stack had while nothing was wrong with it, and which of its reasons were not true.

A watch sees each write; looking now and then would miss what was said for a moment only.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import requests

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from types import TracebackType

from tests.framework.api import Api

#: Reasons of a stack of which nothing is wrong and nothing moves.
QUIET = frozenset({"Available", "Reachable", "UpToDate", "Progressing", "AllChecksPassed"})
#: What may be said besides while pods of a part are being replaced. NotChecked follows each change of the spec.
REPLACED = frozenset({"RollingOut", "Starting", "NoPodRunning", "NotChecked", "PodsNotReady", "PrometheusNotReady"})
#: Conditions that follow the parts; DatabaseAvailable is what the pods of the service say.
_SUMMARY = frozenset({"Ready", "Reconciling", "Verified"})
_CONDITIONS = {
    "service": frozenset({"ServiceAvailable", "DatabaseAvailable"}),
    "prometheus": frozenset({"PrometheusAvailable"}),
    "alertmanager": frozenset({"AlertmanagerAvailable"}),
}
_WATCH_SECONDS = "240"
_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Said:
    """One condition of one status, and when it was seen (seconds since 1970)."""

    at: float
    type: str
    reason: str
    message: str


@dataclass(slots=True)
class Replacement:
    """Pods of a part are being replaced from `began` until the stack was Ready again."""

    part: str
    began: float
    ended: float = field(default=float("inf"))

    def explains(self, said: Said) -> bool:
        """Return whether what was said is true because of this."""
        about = _SUMMARY | _CONDITIONS[self.part]
        return self.began <= said.at <= self.ended and said.type in about and said.reason in REPLACED


def untrue(seen: Iterable[Said], replacements: Sequence[Replacement]) -> list[str]:
    """Return a sentence for each reason that nothing explains, each one once."""
    false = [one for one in seen if one.reason not in QUIET and not any(each.explains(one) for each in replacements)]
    sentences = (f"the status said {one.type} {one.reason} without a cause: {one.message}" for one in false)
    return list(dict.fromkeys(sentences))


class StatusWatch:
    """A context manager around a watch of one stack, in a thread of its own."""

    def __init__(self, kubeconfig: Path, namespace: str, stack: str) -> None:
        self._api = Api(kubeconfig)
        self._path = self._api.path("InventoryStack", namespace)
        self._stack = stack
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._last: dict[str, tuple[str, str]] = {}
        self.seen: list[Said] = []
        #: Times that the watch could not go on where it was, so that a status may have been missed.
        self.gaps = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()

    def _follow(self) -> None:
        version = ""
        while not self._ended.is_set():
            try:
                version = self._watch(version)
            except (requests.RequestException, AssertionError, ValueError):
                self.gaps += bool(version)
                version = ""
                self._ended.wait(_PAUSE_SECONDS)

    def _watch(self, version: str) -> str:
        """Take in events until the watch ends; return from where the next one goes on."""
        query = {"resourceVersion": version} if version else {}
        selector = f"metadata.name={self._stack}"
        with self._api.stream(
            self._path, watch="true", allowWatchBookmarks="true", timeoutSeconds=_WATCH_SECONDS, fieldSelector=selector,
            **query,
        ) as answer:  # fmt: skip
            for line in answer.iter_lines():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise ValueError(event["object"].get("message", ""))
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    self._take(event["object"])
                if self._ended.is_set():
                    break
        return version

    def _take(self, stack: dict[str, Any]) -> None:
        """Keep the conditions that are others than in the last status."""
        for one in stack.get("status", {}).get("conditions", ()):
            now = (one["reason"], one["message"])
            if self._last.get(one["type"]) != now:
                self._last[one["type"]] = now
                self.seen.append(Said(time.time(), one["type"], *now))
