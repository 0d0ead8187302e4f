"""Asking the parts of a stack from outside, through the API server's service proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.framework.api import Api


class Part:
    """One Service of a stack: HTTP requests to it."""

    def __init__(self, api: Api, namespace: str, service: str, port: int) -> None:
        self._api = api
        self._path = f"api/v1/namespaces/{namespace}/services/{service}:{port}/proxy"

    def request(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        return self._api.request(method, f"{self._path}/{path}", body, **query)

    def get(self, path: str, **query: str) -> Any:
        """The JSON of an answer; None where there is no good one (the pod may just be starting)."""
        response = self.request("GET", path, **query)
        return response.json() if response.ok else None


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
