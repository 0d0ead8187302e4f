"""A Grafana that answers what a real Grafana 12.3.0 answered: recorded_grafana.json has the recordings."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.framework.webserver import Response

from inventory_operator.verification.ask import Reply, UnansweredError

if TYPE_CHECKING:
    from tests.framework.webserver import Request

FILE = Path(__file__).with_suffix(".json")
#: What is answered where all is well, by path.
WELL = {
    "/api/datasources/uid/prometheus/health": "datasource-health-ok",
    "/api/datasources/uid/prometheus": "datasource",
    "/api/search": "search",
}
#: Where the recorded data source leads, and the one dashboard that there was.
PROMETHEUS = "http://127.0.0.1:9090"
DASHBOARD = "inventory-overview"


@cache
def recordings() -> dict[str, dict[str, Any]]:
    """Return status, content type and body of each recorded answer."""
    found: dict[str, dict[str, Any]] = json.loads(FILE.read_text("utf-8"))["answers"]
    return found


@dataclass
class RecordedGrafana:
    """Answers by path: the name of a recording, a Reply, or the words of an UnansweredError.

    What the data source leads to is told as the stack's own Prometheus, unless a test says otherwise.
    """

    prometheus: str = "http://shop-prometheus:9090"
    answers: dict[str, str | Reply] = field(default_factory=lambda: dict(WELL))
    #: Path and header of each request.
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    async def __call__(self, _pod: Any, _port: int, path: str, *, authorization: str | None = None, **_: Any) -> Reply:
        self.asked.append((path, authorization))
        return self._reply(path.partition("?")[0])

    def respond(self, request: Request) -> Response:
        """Answer over HTTP, for tests/framework/webserver.py."""
        self.asked.append((request.full_path.removesuffix("?"), request.headers.get("Authorization")))
        reply = self._reply(request.path)
        return Response(reply.body, reply.status, content_type="application/json")

    @property
    def paths(self) -> list[str]:
        return [path.partition("?")[0] for path, _ in self.asked]

    def _reply(self, path: str) -> Reply:
        found = self.answers[path]
        if isinstance(found, Reply):
            return found
        if found not in recordings():
            raise UnansweredError(found)
        one = recordings()[found]
        return Reply(one["status"], one["body"].replace(PROMETHEUS, self.prometheus).encode())
