"""Asks a stack's Prometheus whether a query returns series: one request, bounded in what it costs both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from inventory_operator.components.pod_http import OK
from inventory_operator.verification.ask import UnansweredError
from inventory_operator.verification.prometheus import PORT

if TYPE_CHECKING:
    from inventory_operator.verification.ask import Ask, Object

#: After which Prometheus gives a query up: before whoever asks does.
TIMEOUT: Final = "1s"
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class SeriesResult:
    """What came of a query."""

    #: Whether it returned at least one series.
    found: bool = False
    #: Why Prometheus refused it: its words, a tenant's.
    refused: str = ""
    #: Whether it took longer than TIMEOUT.
    timed_out: bool = False


async def ask_series(ask: Ask, pod: Object, expr: str) -> SeriesResult:
    """Ask for at most one series of a query, now; UnansweredError where the answer is none of a Prometheus.

    https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
    """
    form = urlencode({"query": expr, "limit": 1, "timeout": TIMEOUT})
    reply = await ask(pod, PORT, f"/api/v1/query?{form}")
    body = reply.json_object()
    if reply.status == OK and body.get("status") == "success" and isinstance(body.get("data"), dict):
        return SeriesResult(found=bool(body["data"].get("result")))
    if body.get("errorType") in {"timeout", "canceled"}:
        return SeriesResult(timed_out=True)
    if body.get("status") == "error" and reply.status < _SERVER_ERROR:
        return SeriesResult(refused=str(body.get("error") or f"status {reply.status}"))
    raise UnansweredError(f"answered GET /api/v1/query with {reply.status}, and not as Prometheus does")
