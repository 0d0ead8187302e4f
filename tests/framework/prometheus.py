"""Asking the parts of a stack from outside, through the API server's service proxy."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from tests.framework.api import eventually

if TYPE_CHECKING:
    import requests
    from tests.framework.api import Api

#: The API server does not reach a pod, of which its endpoints tell late; or the service says itself that it is busy.
_NOT_NOW = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}


class Part:
    """One Service of a stack: HTTP requests to it."""

    def __init__(self, api: Api, namespace: str, service: str, port: int) -> None:
        self._api = api
        self._path = f"api/v1/namespaces/{namespace}/services/{service}:{port}/proxy"

    def request(self, method: str, path: str, body: Any = None, **query: str) -> requests.Response:
        """The answer; what can't be answered now is sent again, with the key by which the service does it once."""
        once = {"Idempotency-Key": str(uuid.uuid4())} if method == "POST" else {}

        def answer() -> list[requests.Response]:
            response = self._api.request(method, f"{self._path}/{path}", body, headers=once, **query)
            # While the first request is still being answered, the second one is refused.
            waits = response.status_code == HTTPStatus.CONFLICT and "Retry-After" in response.headers
            return [] if waits or response.status_code in _NOT_NOW else [response]

        return eventually(answer, f"an answer to {method} {path}")[0]

    def get(self, path: str, **query: str) -> Any:
        """The JSON of an answer; None where there is no good one (the pod may just be starting)."""
        response = self._api.request("GET", f"{self._path}/{path}", **query)
        return response.json() if response.ok else None

    def read(self, path: str, **query: str) -> Any:
        """The JSON of the first good answer."""
        return eventually(lambda: self.get(path, **query), f"an answer to {path}")


class Prometheus(Part):
    """The Prometheus of a stack."""

    def __init__(self, api: Api, namespace: str, stack: str) -> None:
        super().__init__(api, namespace, f"{stack}-prometheus", 9090)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The instant vector of an expression; empty while Prometheus does not answer."""
        answer = self.get("api/v1/query", query=expression)
        return answer["data"]["result"] if answer else []

    def values(self, expression: str, label: str) -> dict[str, float]:
        return {series["metric"].get(label, ""): float(series["value"][1]) for series in self.query(expression)}
