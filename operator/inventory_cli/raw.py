"""Requests whose answers are not objects of the Kubernetes API: logs, and what pods answer; bounded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Bytes of a log, and of what a pod answers.
LARGEST_ANSWER = 4_000_000
_SECONDS = 20.0
_OK = 200
_CHUNK = 1 << 16


class UnexpectedAnswerError(Exception):
    """What was asked did not answer as it should; the message is in words for a person."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: the HTTP status, and the bytes up to a limit."""

    status: int
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Raw:
    """An API server as a plain HTTP server."""

    server: str
    session: aiohttp.ClientSession

    async def ask(  # noqa: PLR0913 - what HTTP has
        self,
        path: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        most_bytes: int = LARGEST_ANSWER,
        seconds: float = _SECONDS,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; `path` is encoded, and may have a query. What comes after `most_bytes` is not read.

        Raises aiohttp.ClientError, and TimeoutError after `seconds`.
        """
        async with self.session.request(
            method,
            URL(self.server.rstrip("/") + path, encoded=True),
            params=query,
            data=body,
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=seconds),
        ) as response:
            found = bytearray()
            while len(found) < most_bytes and (part := await response.content.read(_CHUNK)):
                found += part
            return Answer(response.status, bytes(found[:most_bytes]))


def pod_path(namespace: str, pod: str, port: int, path: str) -> str:
    """Return the path by which the API server passes a request on to a pod (the right is get on pods/proxy)."""
    return f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy/{path.lstrip('/')}"


async def query(raw: Raw, namespace: str, pod: str, port: int, expression: str) -> list[dict[str, Any]]:
    """Return the instant vector of a PromQL expression from a Prometheus.

    Raises:
        UnexpectedAnswerError: it answers with an error, or not as Prometheus does.

    """
    path = pod_path(namespace, pod, port, "api/v1/query")
    answer = await raw.ask(path, query={"query": expression, "timeout": "10s"})
    if answer.status != _OK:
        raise UnexpectedAnswerError(f"pod {pod} answers with {answer.status}: {answer.text[:200].strip()}")
    try:
        result = json.loads(answer.body)["data"]["result"]
        return [{"metric": dict(one["metric"]), "value": float(one["value"][1])} for one in result]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise UnexpectedAnswerError(f"pod {pod} does not answer as Prometheus does: {type(error).__name__}") from None
