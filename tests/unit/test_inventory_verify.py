"""How `verify` asks pods through the API server, and how it counts its known traffic."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import aiohttp
import pytest

from inventory_cli.asking import ProxyAsk
from inventory_cli.failure import Failure
from inventory_cli.load import Sent, counted, find
from inventory_cli.raw import Answer, UnexpectedAnswerError
from inventory_operator.verification.ask import UnansweredError

POD = {"metadata": {"name": "shop-1", "namespace": "shop"}}
PAGE = """\
# TYPE http_requests_total counter
http_requests_total{endpoint="<unmatched>",method="GET",status="404"} %d
http_requests_total{endpoint="<unmatched>",method="POST",status="404"} 7
http_requests_total{endpoint="/",method="GET",status="200"} 7
"""


class Pods:
    """Stands for the API server: its answers by the end of the path; an exception is raised."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers
        self.asked: list[str] = []

    async def ask(self, path: str, **_: Any) -> Answer:
        self.asked.append(path)
        found = self._answers[path.rpartition("/")[2].partition("?")[0]]
        if isinstance(found, Exception):
            raise found
        return Answer(200, found.encode()) if isinstance(found, str) else found


def prometheus(value: int) -> str:
    return json.dumps({"data": {"result": [{"metric": {"status": "404"}, "value": [0, str(value)]}]}})


async def test_a_pod_is_asked_through_its_proxy_with_the_query_as_it_is() -> None:
    pods = Pods(query="yes")
    reply = await ProxyAsk(pods)(POD, 9090, "/api/v1/query?query=up%7Ba%3D%22b%22%7D&query=2")
    assert (reply.status, reply.body, reply.cut) == (200, b"yes", False)
    assert pods.asked == [
        "/api/v1/namespaces/shop/pods/shop-1:9090/proxy/api/v1/query?query=up%7Ba%3D%22b%22%7D&query=2"
    ]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(503, b'{"kind":"Status","message":"dial tcp"}'), "can't be connected to"),
        (TimeoutError(), "did not answer completely within 10 s"),
        (aiohttp.ClientPayloadError("x"), "can't be asked through the API server: ClientPayloadError"),
    ],
)
async def test_what_does_not_answer_is_told_in_words(answer: Any, words: str) -> None:
    with pytest.raises(UnansweredError, match=words):
        await ProxyAsk(Pods(metrics=answer))(POD, 5000, "/metrics")


async def test_an_answer_of_the_pod_itself_is_no_refusal_of_the_api_server() -> None:
    for status in (403, 503):
        assert (await ProxyAsk(Pods(metrics=Answer(status, b"mine")))(POD, 5000, "/metrics")).status == status


async def test_missing_rights_end_the_command_and_passwords_are_withheld() -> None:
    forbidden = Pods(metrics=Answer(403, b'{"kind":"Status","reason":"Forbidden"}'))
    with pytest.raises(Failure, match="get on pods/proxy in namespace shop") as ended:
        await ProxyAsk(forbidden)(POD, 5000, "/metrics")
    assert ended.value.exit_code == 3
    pods = Pods()
    ask = ProxyAsk(pods)
    with pytest.raises(UnansweredError):
        await ask(POD, 3000, "/api/health", authorization="Basic hunter2")
    assert pods.asked == []


async def test_only_requests_like_its_own_are_counted() -> None:
    assert await counted(Pods(metrics=PAGE % 12), "shop", "shop-1") == {"404": 12}
    for page, words in ((Answer(500, b""), "answers with 500, expected 200"), ("x{", "is not valid exposition")):
        with pytest.raises(UnexpectedAnswerError, match=words):
            await counted(Pods(metrics=page), "shop", "shop-1")


@pytest.mark.parametrize(
    ("page", "scraped", "problem"),
    [
        (112, 112, None),
        (111, 111, "pod shop-1: its metrics have 99 of 100 requests with status 404"),
        (113, 113, "pod shop-1: its metrics have 101 of 100 requests with status 404; somebody else sends such"),
    ],
)
async def test_traffic_is_found_to_the_request(page: int, scraped: int, problem: str | None) -> None:
    sent = Sent("shop-1", Counter({"404": 100}), before=Counter({"404": 12}))
    (found,) = await find(Pods(metrics=PAGE % page, query=prometheus(scraped)), "shop", ("p", 9090), [sent], 1.0)
    assert (found.problem or "").startswith(problem or "")
    assert bool(found.problem) == bool(problem)


async def test_a_request_without_an_answer_makes_nothing_exact() -> None:
    sent = Sent("shop-1", Counter({"404": 99}), unanswered=1)
    (found,) = await find(Pods(), "shop", ("p", 9090), [sent], 1.0)
    assert found.problem == "pod shop-1: 1 of 100 requests had no answer of the pod, so nothing is exact"
