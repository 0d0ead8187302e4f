"""A stack whose panels are looked at again and again, and a Prometheus that has what a test leaves it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.framework.boards import RELOAD
from tests.framework.verification import NOW, Pods, data, part, pod, subject

from inventory_operator.verification import excuses
from inventory_operator.verification.ask import Reply
from inventory_operator.verification.dashboards import read_dashboards
from inventory_operator.verification.dashboards_live import State, check

if TYPE_CHECKING:
    from inventory_operator.verification.answer import Answer

SHIPPED = {file.name: file.read_text("utf-8") for file in RELOAD.glob("*.json")}
#: Seconds from one round to the next.
ROUND = 40.0
UP = {"metric": {}, "value": [0, "1"]}


class Prometheus:
    """Has every series, but for what a test takes away: a metric, a label or a condition."""

    def __init__(self) -> None:
        self.missing: set[str] = set()
        self.refused: dict[str, str] = {}
        self.slow: set[str] = set()
        self.broken: Reply | str | None = None
        #: Excuses that hold.
        self.holding: set[str] = set()
        self.asked: list[str] = []

    def __call__(self, _: str, path: str) -> Reply | str:
        if self.broken is not None:
            return self.broken
        form = parse_qs(urlsplit(path).query)
        assert form["limit"] == ["1"]
        assert form["timeout"] == ["1s"]
        (query,) = form["query"]
        self.asked.append(query)
        if query in self.slow:
            return Reply(503, json.dumps({"status": "error", "errorType": "timeout", "error": "timed out"}).encode())
        for text, words in self.refused.items():
            if text in query:
                return Reply(400, json.dumps({"status": "error", "errorType": "bad_data", "error": words}).encode())
        return data(resultType="vector", result=[UP] if self._has(query) else [])

    def _has(self, query: str) -> bool:
        if query.startswith("absent("):
            return any(one.name in self.holding for one in excuses.ALL if one.query and query[:40] == one.query[:40])
        # What is beside an "or" is there whatever else is missing.
        return "vector(0)" in query or not any(re.search(rf"(?<![\w:]){one}", query) for one in self.missing)


class Checked:
    """A stack whose panels are looked at again and again."""

    def __init__(self, prometheus: Prometheus, boards: dict[str, str] | None = None, **spec: Any) -> None:
        self.prometheus, self.pods, self.spec = prometheus, Pods(prometheus), spec
        self.boards = SHIPPED if boards is None else boards
        self.seconds, self.unix, self.names = 1_000.0, 2e9, ["shop-1"]
        self.state = State(clock=lambda: self.seconds, now=lambda: self.unix)

    async def round(self, seconds: float = ROUND) -> Answer:
        """Let time go by and check."""
        self.seconds += seconds
        children = part("service", *(pod(name, "service", since=NOW) for name in self.names))
        stack = subject(*children, *part("prometheus", pod("prom-1", "prometheus")), **self.spec)
        dashboards = read_dashboards(self.boards, stack.spec.prometheus.scrape_interval)
        found = await check(stack, self.pods, dashboards, self.state)
        assert found.message.isprintable()
        return found

    async def settled(self, rounds: int = 3) -> Answer:
        """Return the answer once every query was asked, and asked again where it returned nothing."""
        for _ in range(rounds):
            found = await self.round()
        return found

    def asked(self) -> int:
        """Return how many queries were asked since the last time."""
        count = len(self.prometheus.asked)
        self.prometheus.asked.clear()
        return count


def board(*exprs: str) -> str:
    """Return a dashboard of a user."""
    panels = [
        {"id": number, "type": "stat", "title": "Mine", "gridPos": {"w": 8}, "targets": [{"refId": "A", "expr": expr}]}
        for number, expr in enumerate(exprs)
    ]
    return json.dumps({"uid": "mine", "title": "My board", "panels": panels})
