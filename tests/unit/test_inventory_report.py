"""What leaves the cluster in a support bundle, and what `top` makes of the answers of a Prometheus, or of none."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from inventory_cli.measurements import QUESTIONS, measured
from inventory_cli.raw import Answer, UnexpectedAnswerError
from inventory_cli.redaction import HIDDEN, redacted, values

PASSWORD = "correct horse battery"


def secret(**texts: str) -> dict[str, Any]:
    return {"data": {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}}


def test_known_values_are_taken_out_wherever_they_are() -> None:
    known = values([secret(password=f"{PASSWORD}\n", short="abc"), {"data": None}, {"data": {"binary": "/w=="}}])
    encoded = base64.b64encode(f"{PASSWORD}\n".encode()).decode()
    text = redacted(f"log: {PASSWORD}; {encoded}; abc", known)
    assert text == f"log: {HIDDEN}; {HIDDEN}; abc"
    url = values([secret(url="postgresql://shop:p%40ssword@db/shop"), secret(url="http://[")])
    assert redacted("p%40ssword p@ssword db", url) == f"{HIDDEN} {HIDDEN} db"


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://shop:hunter2x@db/shop",
        "Authorization: Bearer hunter2xhunter2x",
        'password: "hunter2x"',
        "admin_password=hunter2x next",
        '{"apiKey": "hunter2x"}',
        "TOKEN=hunter2x",
    ],
)
def test_what_looks_like_a_credential_is_taken_out(text: str) -> None:
    assert "hunter2x" not in redacted(text, [])
    assert HIDDEN in redacted(text, [])


@pytest.mark.parametrize(
    "text",
    [
        "secretKeyRef: {name: db}",
        "http://shop-prometheus.shop.svc:9090/x",
        "no password.",
        "automountServiceAccountToken: false",
        "password: \nlog of x",
        "- secret:\n    secretName: db",
    ],
)
def test_other_words_stay(text: str) -> None:
    assert redacted(text, []) == text


class Prometheus:
    """Answers each query with one series, or with something else."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.asked: list[str] = []
        self._answer = answer

    async def ask(self, path: str, query: dict[str, str]) -> Answer:
        assert path == "/api/v1/namespaces/shop/pods/shop-prometheus-1:9090/proxy/api/v1/query"
        self.asked.append(query["query"])
        if self._answer:
            return self._answer
        labels = {"pod": "shop-inventory-1", "container": "service", "product_name": "Tea"}
        result = [{"metric": labels, "value": [0, "NaN" if "p95" in query["query"] else "0.5"]}]
        return Answer(200, json.dumps({"data": {"result": result}}).encode())


async def test_top_asks_for_the_series_of_one_stack() -> None:
    prometheus = Prometheus()
    found = await measured(prometheus, "shop", "shop", "shop-prometheus-1", 9090)
    assert len(prometheus.asked) == len(QUESTIONS) + 3
    assert [query for query in prometheus.asked if 'namespace="shop", stack="shop"' not in query] == []
    assert found["stack"]["requestsPerSecond"] == 0.5
    assert found["stack"]["p95Seconds"] is None
    assert found["containers"] == [
        {"pod": "shop-inventory-1", "container": "service", "cpuCores": 0.5, "memoryBytes": 0.5}
    ]
    assert found["lowestStock"] == [{"product": "Tea", "pieces": 0.5}]
    json.dumps(found)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [(503, b"no endpoints", "answers with 503: no endpoints"), (200, b"<html>", "not answer as"), (200, b"{}", "not ")],
)
async def test_an_answer_that_is_none_is_one_sentence(status: int, body: bytes, words: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match=words):
        await measured(Prometheus(Answer(status, body)), "shop", "shop", "shop-prometheus-1", 9090)
