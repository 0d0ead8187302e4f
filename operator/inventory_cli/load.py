"""Known traffic: requests to the pods of a service that nobody else sends, counted, and found again in the metrics.

They change nothing and harm no objective: the objectives leave out what is no route of the service, and 404 is no error
of the service. Each request goes to one pod, so that each pod's counters are compared with what that pod answered.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from inventory_cli.raw import UnexpectedAnswerError, pod_path, query

if TYPE_CHECKING:
    from collections.abc import Callable

    from inventory_cli.raw import Raw

Object = dict[str, Any]
#: Requests per second to each pod, and in all at most.
RATE, MOST = 20, 20_000
#: Pods that get traffic, at most.
MOST_PODS = 10
_PORT = 5000
_PATH = "/inventory-verify-known-traffic"
#: How the service calls what matches no route of it (service/inventory_service/telemetry/request_metrics.py).
_ENDPOINT = "<unmatched>"
_COUNTER = "http_requests_total"
#: Scrapes that may be missed before the traffic counts as not found, and seconds for the rules of a scrape.
_SCRAPES, _EXTRA_SECONDS = 3, 15.0
_PAUSE = 1.0
_OK, _SERVER_ERROR = 200, 500


@dataclass(slots=True)
class Sent:
    """What one pod was sent, and how it answered: HTTP status -> requests."""

    pod: str
    answers: Counter[str] = field(default_factory=Counter)
    #: Requests without an answer of the pod: it may or may not have counted them.
    unanswered: int = 0
    before: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Found:
    """What came of the traffic at one pod."""

    pod: str
    sent: int
    #: None where the place that should have counted does not say.
    counted: int | None
    in_prometheus: int | None
    problem: str | None = None
    #: Whether another look may find more: Prometheus scrapes later.
    final: bool = True


async def counted(raw: Raw, namespace: str, pod: str) -> Counter[str]:
    """Return what a pod has counted of such requests, by status.

    Raises:
        UnexpectedAnswerError: its metrics can't be read.

    """
    answer = await raw.ask(pod_path(namespace, pod, _PORT, "/metrics"))
    if answer.status != _OK:
        raise UnexpectedAnswerError(f"pod {pod}: /metrics answers with {answer.status}, expected {_OK}")
    found: Counter[str] = Counter()
    try:
        for family in text_string_to_metric_families(answer.text):
            for sample in family.samples:
                if sample.name == _COUNTER and _is_ours(sample.labels):
                    found[sample.labels["status"]] += int(sample.value)
    except (ValueError, KeyError) as error:
        raise UnexpectedAnswerError(f"pod {pod}: /metrics is not valid exposition: {type(error).__name__}") from None
    return found


def _is_ours(labels: Object) -> bool:
    return bool(labels.get("endpoint") == _ENDPOINT and labels.get("method") == "GET")


async def send(
    raw: Raw, namespace: str, pods: list[str], seconds: float, progress: Callable[[int, int], None]
) -> list[Sent]:
    """Send the traffic for so many seconds; `progress` gets how many of how many requests were sent."""
    each = min(int(seconds * RATE), MOST // len(pods))
    found = [Sent(pod, before=await counted(raw, namespace, pod)) for pod in pods]
    done = 0

    async def to(sent: Sent) -> None:
        nonlocal done
        begin = time.monotonic()
        for number in range(each):
            await asyncio.sleep(max(0.0, begin + number / RATE - time.monotonic()))
            await _request(raw, namespace, sent)
            done += 1
            progress(done, each * len(pods))

    await asyncio.gather(*(to(sent) for sent in found))
    return found


async def _request(raw: Raw, namespace: str, sent: Sent) -> None:
    try:
        answer = await raw.ask(pod_path(namespace, sent.pod, _PORT, _PATH), most_bytes=10_000)
    except (aiohttp.ClientError, TimeoutError):
        sent.unanswered += 1
        return
    # 502 and 503 may be the API server's own words: it did not reach the pod.
    if answer.status >= _SERVER_ERROR:
        sent.unanswered += 1
    else:
        sent.answers[str(answer.status)] += 1


async def find(raw: Raw, namespace: str, prometheus: tuple[str, int], sent: list[Sent], interval: float) -> list[Found]:
    """Find exactly this traffic in the metrics of each pod and in Prometheus; it scrapes every `interval` seconds."""
    deadline = time.monotonic() + _SCRAPES * interval + _EXTRA_SECONDS
    while True:
        found = [await _found(raw, namespace, prometheus, one) for one in sent]
        if all(one.final for one in found) or time.monotonic() > deadline:
            return found
        await asyncio.sleep(_PAUSE)


async def _found(raw: Raw, namespace: str, prometheus: tuple[str, int], sent: Sent) -> Found:
    total = sent.answers.total()
    if sent.unanswered:
        words = f"{sent.unanswered} of {total + sent.unanswered} requests had no answer of the pod, so nothing is exact"
        return Found(sent.pod, total, None, None, f"pod {sent.pod}: {words}")
    by_pod: Counter[str] | None = None
    try:
        by_pod = (await counted(raw, namespace, sent.pod)) - sent.before
        if problem := _problem(sent, by_pod, "its metrics have"):
            return Found(sent.pod, total, by_pod.total(), None, problem)
        scraped = (await _in_prometheus(raw, namespace, prometheus, sent.pod)) - sent.before
    except (UnexpectedAnswerError, aiohttp.ClientError, TimeoutError) as error:
        words = str(error) or f"pod {sent.pod}: no answer in time"
        return Found(sent.pod, total, by_pod.total() if by_pod else None, None, words, final=False)
    problem = _problem(sent, scraped, "Prometheus has")
    return Found(sent.pod, total, by_pod.total(), scraped.total(), problem, final=problem is None)


def _problem(sent: Sent, found: Counter[str], where: str) -> str | None:
    for status, number in sorted(sent.answers.items()):
        if found[status] != number:
            more = "; somebody else sends such requests, or it was restarted" if found[status] > number else ""
            return f"pod {sent.pod}: {where} {found[status]} of {number} requests with status {status}{more}"
    return None


async def _in_prometheus(raw: Raw, namespace: str, prometheus: tuple[str, int], pod: str) -> Counter[str]:
    matchers = f'job="service", namespace="{namespace}", pod="{pod}", endpoint="{_ENDPOINT}", method="GET"'
    name, port = prometheus
    found = await query(raw, namespace, name, port, f"sum by (status) ({_COUNTER}{{{matchers}}})")
    return Counter({str(one["metric"].get("status", "")): int(one["value"]) for one in found})
