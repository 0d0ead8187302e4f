"""Who wrote what and when, from the API server's audit log: the one clock of every measurement here.

It only reads the log; what the numbers mean is said where they are used.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: Renewing a Lease and asking for one's rights change nothing that anybody watches.
_EXEMPT = frozenset({"leases", "selfsubjectaccessreviews"})
_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class Write:
    """One write request; times are seconds since the epoch by the API server's clock."""

    user: str
    verb: str
    resource: str
    subresource: str
    name: str
    namespace: str
    code: int
    received: float
    answered: float

    @property
    def sort(self) -> str:
        """What it was for: `status`, `event`, or `child`."""
        if self.resource == "inventorystacks":
            return "status"
        return "event" if self.resource == "events" else "child"


class AuditLog:
    """The log of one API server, read on from where the last reading ended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0

    def skip(self) -> None:
        """Leave out everything up to now."""
        self._offset = self.path.stat().st_size

    def read(self) -> list[Write]:
        """Return the writes since the last reading, in the order of their answers."""
        with self.path.open("rb") as log:
            log.seek(self._offset)
            text = log.read()
        complete = text[: text.rfind(b"\n") + 1]
        self._offset += len(complete)
        writes = [_write(json.loads(line)) for line in complete.splitlines()]
        found = [write for write in writes if write.verb in _WRITES and write.resource not in _EXEMPT]
        return sorted(found, key=lambda write: write.answered)


def _write(event: dict[str, object]) -> Write:
    target = _object(event, "objectRef")
    code = _object(event, "responseStatus").get("code", 0)
    return Write(
        user=str(_object(event, "user").get("username")),
        verb=str(event["verb"]),
        resource=str(target.get("resource", "")),
        subresource=str(target.get("subresource", "")),
        name=str(target.get("name", "")),
        namespace=str(target.get("namespace", "")),
        code=int(str(code)),
        received=_seconds(event["requestReceivedTimestamp"]),
        answered=_seconds(event["stageTimestamp"]),
    )


def _object(event: dict[str, object], key: str) -> dict[str, object]:
    value = event.get(key, {})
    return value if isinstance(value, dict) else {}


def _seconds(timestamp: object) -> float:
    return datetime.fromisoformat(str(timestamp)).timestamp()
