"""Asks a Prometheus over its HTTP API.

It only reads, and never asks twice for the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests

from dashboards.preview.errors import PreviewError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT = 60


class QueryError(PreviewError):
    """Prometheus refused one query; the others may be answered."""


class Client:
    """One Prometheus; its results are the API's own: https://prometheus.io/docs/prometheus/latest/querying/api/."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy would not reach a forwarded port

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def now(self) -> float:
        """Return the time of Prometheus, which need not be ours."""
        return float(self._ask("query", query="time()")["result"][0])

    def at(self, expr: str, time: float) -> list[dict[str, Any]]:
        """Return the series of an expression at one time, each with one value."""
        return _vector(self._ask("query", query=expr, time=f"{time:.3f}"))

    def over(self, expr: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Return the series of an expression over time, each with its values."""
        span = {"start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        result: list[dict[str, Any]] = self._ask("query_range", query=expr, **span)["result"]
        return result

    def label_values(self, label: str, match: str, start: float, end: float) -> list[str]:
        """Return the values of a label, of the series that `match` selects when it is not empty."""
        only = {"match[]": match} if match else {}
        span = {"start": f"{start:.3f}", "end": f"{end:.3f}"}
        found: list[str] = self._ask(f"label/{label}/values", **only, **span)
        return found

    def _ask(self, path: str, **form: str) -> Any:
        try:
            answer = self._send(path, form)
            body: Mapping[str, Any] = answer.json()
        except requests.exceptions.JSONDecodeError as error:
            raise PreviewError(f"{self._url} answered {answer.status_code} and no JSON: is it a Prometheus?") from error
        except requests.exceptions.RequestException as error:
            raise PreviewError(f"{self._url} does not answer: {error}") from error
        if body.get("status") != "success":
            raise QueryError(str(body.get("error") or f"Prometheus answered {answer.status_code}"))
        return body["data"]

    def _send(self, path: str, form: Mapping[str, str]) -> requests.Response:
        url = f"{self._url}/api/v1/{path}"
        if path.startswith("label/"):
            return self._session.get(url, params=form, timeout=_TIMEOUT)
        return self._session.post(url, data=form, timeout=_TIMEOUT)


def _vector(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    if data["resultType"] in {"scalar", "string"}:
        return [{"metric": {}, "value": data["result"]}]
    result: list[dict[str, Any]] = data["result"]
    return result
