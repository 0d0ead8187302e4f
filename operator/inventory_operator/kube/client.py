"""Requests to the API server, as plain dicts: apply, patch, create, delete, get, list, watch.

It decides nothing: what to write and when is the caller's; every write is counted here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from inventory_operator import metrics
from inventory_operator.api import metadata as meta
from inventory_operator.kube.kinds import Resource, of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from inventory_operator.kube.auth import Connection

Object = dict[str, Any]

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON = "application/json"

REQUEST_SECONDS = 30.0


class ApiError(Exception):
    """The API server refused a request: its code, its reason (`Invalid`, `Forbidden`, ...) and its sentence."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message

    @property
    def permanent(self) -> bool:
        """Whether the same request would be refused again: a person must change something first."""
        return self.code in {400, 422}

    @property
    def namespace_is_going(self) -> bool:
        """Whether the namespace is being deleted: nothing can be made in it any more."""
        return (self.code == 403 and "because it is being terminated" in self.message) or (  # noqa: PLR2004
            self.code == 404 and "namespaces" in self.message  # noqa: PLR2004
        )


def _refusal(code: int, body: bytes) -> ApiError:
    try:
        status = orjson.loads(body)
        return ApiError(code, status.get("reason", ""), status.get("message", ""))
    except (orjson.JSONDecodeError, AttributeError):
        return ApiError(code, "", body[:200].decode(errors="replace"))


class Cluster:
    """The API server as the operator uses it; safe for many tasks at once."""

    def __init__(self, connection: Connection, concurrency: int) -> None:
        self._server = connection.server.rstrip("/")
        self._requests = connection.session(limit=concurrency)
        self._watches = connection.session(limit=0)

    async def close(self) -> None:
        """Close every connection."""
        await self._requests.close()
        await self._watches.close()

    async def request(self, method: str, path: str, body: Any = None, content_type: str = JSON, **query: str) -> Object:
        """Send one request and return the answer's JSON; raises ApiError, or aiohttp.ClientError without an answer."""
        async with self._requests.request(
            method,
            self._server + path,
            params=query,
            data=None if body is None else orjson.dumps(body),
            headers={"Content-Type": content_type, "Accept": JSON},
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS),
        ) as response:
            data = await response.read()
            if response.status >= 300:  # noqa: PLR2004
                raise _refusal(response.status, data)
            return orjson.loads(data) if data else {}

    async def apply(self, obj: Object, *, manager: str = meta.FIELD_MANAGER, subresource: str | None = None) -> Object:
        """Apply the whole intent `obj` server-side, by force; returns the object as it now is."""
        metrics.WRITES.labels("apply", obj["kind"] + (f"/{subresource}" if subresource else "")).inc()
        path = self._path(obj, subresource)
        return await self.request("PATCH", path, obj, APPLY, fieldManager=manager, force="true")

    async def patch(self, obj: Object, patch: Object, content_type: str = STRATEGIC) -> Object:
        """Change a few fields of a live object, the exception where an apply can't say it."""
        metrics.WRITES.labels("patch", obj["kind"]).inc()
        return await self.request("PATCH", self._path(obj), patch, content_type, fieldManager=meta.FIELD_MANAGER)

    async def create(self, obj: Object) -> Object:
        """Create `obj`; ApiError with the reason `AlreadyExists` where one of that name is there."""
        metrics.WRITES.labels("create", obj["kind"]).inc()
        path = of(obj).path(obj["metadata"].get("namespace"))
        return await self.request("POST", path, obj, fieldManager=meta.FIELD_MANAGER)

    async def delete(self, obj: Object) -> None:
        """Delete exactly this object: one of the same name that came later stays."""
        metrics.WRITES.labels("delete", obj["kind"]).inc()
        body = {"preconditions": {"uid": obj["metadata"]["uid"]}, "propagationPolicy": "Background"}
        try:
            await self.request("DELETE", self._path(obj), body)
        except ApiError as error:
            if error.code not in {404, 409}:
                raise

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        """Return one object; None where there is none."""
        try:
            return await self.request("GET", resource.path(namespace, name))
        except ApiError as error:
            if error.code == 404:  # noqa: PLR2004
                return None
            raise

    async def list(self, resource: Resource, namespace: str | None = None, **query: str) -> tuple[list[Object], int]:
        """Return the objects of one kind, complete with apiVersion and kind, and the list's resource version."""
        answer = await self.request("GET", resource.path(namespace), **query)
        kind = {"apiVersion": resource.api_version, "kind": resource.kind}
        return [item | kind for item in answer["items"]], int(answer["metadata"]["resourceVersion"])

    async def watch(
        self, resource: Resource, namespace: str | None, seconds: int, **query: str
    ) -> AsyncGenerator[Object]:
        """Yield the watch events of some objects for at most `seconds`, then end; an ERROR is raised as ApiError."""
        query |= {"watch": "true", "timeoutSeconds": str(seconds)}
        async with self._watches.get(
            self._server + resource.path(namespace),
            params=query,
            timeout=aiohttp.ClientTimeout(total=None, sock_read=seconds + REQUEST_SECONDS),
        ) as response:
            if response.status >= 300:  # noqa: PLR2004
                raise _refusal(response.status, await response.read())
            async for line in response.content:
                event = orjson.loads(line)
                if event["type"] == "ERROR":
                    raise ApiError(event["object"].get("code", 0), "", event["object"].get("message", ""))
                yield event

    async def allowed(self, attributes: dict[str, str]) -> bool:
        """Ask the API server whether we may do this; `attributes` are those of a SelfSubjectAccessReview."""
        kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = await self.request("POST", path, kind | {"spec": {"resourceAttributes": attributes}})
        return bool(answer["status"]["allowed"])

    @staticmethod
    def _path(obj: Object, subresource: str | None = None) -> str:
        return of(obj).path(obj["metadata"].get("namespace"), obj["metadata"]["name"], subresource)


#: Errors that pass by themselves: no answer, or an answer that says "later".
TRANSIENT = (aiohttp.ClientError, asyncio.TimeoutError)
