"""A Prometheus that answers what was recorded from a real one, and fails as it is told to."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.framework.webserver import Request, Response, WebServer

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 1_764_156_000.0


def vector(*series: tuple[dict[str, str], str]) -> dict[str, Any]:
    result = [{"metric": labels, "value": [NOW, text]} for labels, text in series]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def matrix(*series: tuple[dict[str, str], list[str]], step: float = 10.0) -> dict[str, Any]:
    """Return series that end now."""
    result = [
        {"metric": labels, "values": [[NOW - step * (len(texts) - 1 - at), text] for at, text in enumerate(texts)]}
        for labels, texts in series
    ]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


REFUSED = {"status": "error", "errorType": "bad_data", "error": 'invalid parameter "query": 1:5: parse error: no'}


class Stub:
    """What is answered: `answers` by the expression, `values` by label; what was asked is in `asked`."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.values: dict[str, list[str]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        #: Sent as it is, instead of any answer.
        self.broken: bytes | None = None

    def reply(self, path: str, form: dict[str, str]) -> tuple[int, bytes]:
        self.asked.append((path, form))
        if self.broken is not None:
            return 502, self.broken
        if path.startswith("label/"):
            body: Any = {"status": "success", "data": self.values.get(path.split("/")[1], [])}
        elif form["query"] == "time()":
            body = {"status": "success", "data": {"resultType": "scalar", "result": [NOW, f"{NOW}"]}}
        else:
            empty = matrix() if path == "query_range" else vector()
            body = self.answers.get(form["query"], empty)
        return (400 if body["status"] == "error" else 200), json.dumps(body).encode()


@contextmanager
def answering(stub: Stub) -> Iterator[str]:
    """Serve the stub and yield its address."""

    def answer(request: Request) -> Response:
        status, body = stub.reply(request.path.removeprefix("/api/v1/"), request.values.to_dict())
        return Response(body, status)

    with WebServer("127.0.0.1", answer) as server:
        yield server.url("").removesuffix("/")
