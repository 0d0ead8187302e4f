"""How checks ask the Prometheus of a stack, and what of its answers they use."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from inventory_operator.components.pod_http import OK
from inventory_operator.kube.pods import is_ready
from inventory_operator.verification.answer import Answer, Outcome
from inventory_operator.verification.ask import UnansweredError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inventory_operator.verification.ask import Ask, Reply
    from inventory_operator.verification.subject import Subject

Object = dict[str, Any]
#: The samples of a series, the oldest first: seconds since 1970, and the value.
Samples = list[tuple[float, float]]
PORT = 9090
#: Prometheus' own limit for a query, in seconds: it gives up before we do.
QUERY_SECONDS = 1.5


class NoAnswerError(Exception):
    """Prometheus gave no usable answer; `reason` is for programs."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def answer(self, check: str, outcome: Outcome = Outcome.UNKNOWN) -> Answer:
        """Return what a check answers that needs Prometheus."""
        return Answer(check, outcome, self.reason, str(self))


async def read(subject: Subject, ask: Ask, path: str, **parameters: str) -> Object:
    """Return the `data` of an answer of Prometheus' HTTP API; NoAnswerError where there is none.

    https://prometheus.io/docs/prometheus/latest/querying/api/
    """
    name, reply = await _answer(subject, ask, f"/api/v1/{path}", f"?{urlencode(parameters)}")
    if reply.cut:
        raise NoAnswerError("PrometheusNotAnswering", f"{name} answers /api/v1/{path} with too much to be read")
    data = reply.json_object().get("data")
    if not isinstance(data, dict):
        raise NoAnswerError("PrometheusNotAnswering", f"{name} does not answer /api/v1/{path} as Prometheus does")
    return data


async def metrics(subject: Subject, ask: Ask) -> bytes:
    """Return the page of Prometheus' own metrics, as far as it is read; NoAnswerError where there is none."""
    return (await _answer(subject, ask, "/metrics"))[1].body


async def _answer(subject: Subject, ask: Ask, path: str, query: str = "") -> tuple[str, Reply]:
    """Return who answered, and a good answer."""
    pods = [pod for pod in subject.pods("prometheus") if is_ready(pod)]
    if not pods:
        raise NoAnswerError("PrometheusNotReady", "no pod of Prometheus is ready: see PrometheusAvailable")
    name = f"pod {pods[0]['metadata']['name']}"
    try:
        reply = await ask(pods[0], PORT, f"{path}{query}")
    except UnansweredError as error:
        raise NoAnswerError("PrometheusNotAnswering", f"{name} {error} at port {PORT}: read its log") from None
    if reply.status != OK:
        words = f"{name} answers {path} with {reply.status}, expected {OK}: read its log"
        raise NoAnswerError("PrometheusNotAnswering", words)
    return name, reply


async def query(subject: Subject, ask: Ask, expression: str, limit: int) -> list[tuple[dict[str, str], float]]:
    """Return the labels and the values of an instant query's series; of more than `limit` the first."""
    data = await read(subject, ask, "query", query=expression, limit=str(limit), timeout=str(QUERY_SECONDS))
    return list(_series(data.get("result")))[:limit]


async def samples(subject: Subject, ask: Ask, selector: str) -> list[tuple[dict[str, str], Samples]]:
    """Return the labels and the samples of the series that a range selector, or a subquery, selects."""
    data = await read(subject, ask, "query", query=selector, timeout=str(QUERY_SECONDS))
    found = [(texts(one.get("metric")), one.get("values")) for one in objects(data.get("result"))]
    return [(labels, list(_samples(values))) for labels, values in found]


def _samples(values: object) -> Iterator[tuple[float, float]]:
    for one in values if isinstance(values, list) else ():
        if isinstance(one, list) and len(one) > 1:
            with contextlib.suppress(ValueError):
                yield float(str(one[0])), float(str(one[1]))


def _series(result: object) -> Iterator[tuple[dict[str, str], float]]:
    for one in objects(result):
        labels, value = one.get("metric"), one.get("value")
        if isinstance(labels, dict) and isinstance(value, list) and len(value) > 1:
            try:
                yield {str(key): str(text) for key, text in labels.items()}, float(str(value[1]))
            except ValueError:
                continue


def objects(value: object) -> list[Object]:
    """Return the objects in what should be a list of them."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def texts(value: object) -> dict[str, str]:
    """Return what should be an object of texts, without all else."""
    found = value.items() if isinstance(value, dict) else ()
    return {str(key): text for key, text in found if isinstance(text, str)}
