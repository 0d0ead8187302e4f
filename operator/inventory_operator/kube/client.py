"""Requests to the API server, as plain dicts: apply, patch, create, delete, get, list, watch.

Every write is counted here.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
from aiohttp.http_exceptions import LineTooLong

from inventory_operator import metrics
from inventory_operator.api import metadata as meta
from inventory_operator.kube.kinds import Resource, of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from inventory_operator.kube.auth import Connection

Object = dict[str, Any]

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
JSON = "application/json"
#: https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

NOT_FOUND = 404
CONFLICT = 409
UNPROCESSABLE = 422
CONNECT_SECONDS = 10.0
REQUEST_SECONDS = 30.0
#: Bytes of one watch event: an object has 1.5 MiB at most, and a character of it can take six times as much in JSON.
LONGEST_EVENT = 2**24


class ApiError(Exception):
    """The API server refused a request: its code, its reason (`Invalid`, `Forbidden`, ...) and its sentence."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message

    @property
    def permanent(self) -> bool:
        """Whether the same request would be refused again: a person must change something first.

        A field that its kind does not have is no bad request to server-side apply, but an internal error.
        """
        return self.code in {400, UNPROCESSABLE} or self.message.startswith("failed to create typed patch object")

    @property
    def of_another(self) -> bool:
        """Whether the object came, went, changed or was replaced since it was seen: a conflict, or one of its uid."""
        return self.code == CONFLICT or (self.code == UNPROCESSABLE and "metadata.uid: Invalid" in self.message)

    @property
    def not_found(self) -> bool:
        """Whether there is no such object, or no such kind."""
        return self.code == NOT_FOUND

    @property
    def namespace_is_going(self) -> bool:
        """Whether the namespace is being deleted: nothing can be made in it any more."""
        return (self.code == 403 and "because it is being terminated" in self.message) or (  # noqa: PLR2004
            self.not_found and "namespaces" in self.message
        )


def _refusal(code: int, body: bytes) -> ApiError:
    try:
        status = orjson.loads(body)
        return ApiError(code, status.get("reason", ""), status.get("message", ""))
    except (orjson.JSONDecodeError, AttributeError):
        return ApiError(code, "", body[:200].decode(errors="replace"))


class BrokenAnswerError(Exception):
    """What came is no object, no list or no watch event: cut off, garbled, or longer than any object can be."""


#: What reading something else than expected raises.
_UNEXPECTED = (ValueError, KeyError, TypeError, AttributeError, LineTooLong)


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

    async def request(
        self, method: str, path: str, body: Any = None, content_type: str = JSON, accept: str = JSON, **query: str
    ) -> Object:
        """Send one request and return the answer's JSON; raises ApiError, or aiohttp.ClientError without an answer."""
        async with self._requests.request(
            method,
            self._server + path,
            params=query,
            data=None if body is None else orjson.dumps(body),
            headers={"Content-Type": content_type, "Accept": accept},
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS),
        ) as response:
            data = await response.read()
            if response.status >= 300:  # noqa: PLR2004
                raise _refusal(response.status, data)
            try:
                return orjson.loads(data) if data else {}
            except orjson.JSONDecodeError as error:
                raise BrokenAnswerError("the answer is not valid JSON") from error

    async def apply(
        self, obj: Object, *, manager: str = meta.FIELD_MANAGER, subresource: str | None = None, force: bool = True
    ) -> Object:
        """Apply the whole intent `obj` server-side; returns the object as it now is.

        Without `force` an ApiError (409) where another manager holds a field with another value.
        """
        metrics.WRITES.labels("apply", obj["kind"] + (f"/{subresource}" if subresource else "")).inc()
        path = self._path(obj, subresource)
        return await self.request("PATCH", path, obj, APPLY, fieldManager=manager, force=str(force).lower())

    async def patch(self, obj: Object, patch: Object, content_type: str = STRATEGIC) -> Object:
        """Change a few fields of a live object, the exception where an apply can't say it."""
        metrics.WRITES.labels("patch", obj["kind"]).inc()
        return await self.request("PATCH", self._path(obj), patch, content_type, fieldManager=meta.FIELD_MANAGER)

    async def preview(self, obj: Object, body: Any, content_type: str) -> Object:
        """Return what `obj` would be after an apply (by force) or a patch; nothing is changed (a dry run)."""
        query = {"force": "true"} if content_type == APPLY else {}
        path = self._path(obj)
        return await self.request(
            "PATCH", path, body, content_type, fieldManager=meta.FIELD_MANAGER, dryRun="All", **query
        )

    async def create(self, obj: Object) -> Object:
        """Create `obj`; ApiError with the reason `AlreadyExists` where one of that name is there."""
        metrics.WRITES.labels("create", obj["kind"]).inc()
        path = of(obj).path(obj["metadata"].get("namespace"))
        return await self.request("POST", path, obj, fieldManager=meta.FIELD_MANAGER)

    async def delete(self, obj: Object) -> None:
        """Delete exactly this object: for one of the same name that came later the ApiError is a conflict."""
        metrics.WRITES.labels("delete", obj["kind"]).inc()
        body = {"preconditions": {"uid": obj["metadata"]["uid"]}, "propagationPolicy": "Background"}
        try:
            await self.request("DELETE", self._path(obj), body)
        except ApiError as error:
            if not error.not_found:
                raise

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        """Return one object; None where there is none."""
        try:
            return await self.request("GET", resource.path(namespace, name))
        except ApiError as error:
            if error.not_found:
                return None
            raise

    async def pages(
        self, resource: Resource, namespace: str | None, **query: str
    ) -> AsyncGenerator[tuple[list[Object], int]]:
        """Yield what `list` returns page by page, each with the resource version of the whole list.

        A list without a resource version, because with "0" the API server ignores the limit.
        """
        query = {"limit": str(resource.page_size), **query}
        accept = METADATA_LIST if resource.metadata_only else JSON
        while True:
            try:
                answer = await self.request("GET", resource.path(namespace), accept=accept, **query)
                # An empty list of metadata has null there.
                items, version = answer["items"] or [], int(answer["metadata"]["resourceVersion"])
                for item in items:
                    item.update(apiVersion=resource.api_version, kind=resource.kind)
                query["continue"] = answer["metadata"].get("continue", "")
            except _UNEXPECTED as error:
                raise BrokenAnswerError(f"not a list: {type(error).__name__}") from error
            yield items, version
            if not query["continue"]:
                return

    async def list(self, resource: Resource, namespace: str | None = None, **query: str) -> tuple[list[Object], int]:
        """Return the objects of one kind, complete with apiVersion and kind, and the list's resource version."""
        objects: list[Object] = []
        version = 0
        async for page, version in self.pages(resource, namespace, **query):  # noqa: B007 - the last one counts
            objects += page
        return objects, version

    @contextlib.asynccontextmanager
    async def watch(
        self, resource: Resource, namespace: str | None, seconds: int, silence: float, **query: str
    ) -> AsyncIterator[AsyncIterator[Object]]:
        """Open a watch of at most `seconds` and yield its events, bookmarks included.

        TimeoutError after `silence` seconds without an event; an ERROR is raised as ApiError.
        """
        query |= {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds)}
        async with self._watches.get(
            self._server + resource.path(namespace),
            params=query,
            headers={"Accept": METADATA if resource.metadata_only else JSON},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=silence),
        ) as response:
            if response.status >= 300:  # noqa: PLR2004
                raise _refusal(response.status, await response.read())
            async with contextlib.aclosing(_events(response.content, resource)) as events:
                yield events

    @staticmethod
    def _path(obj: Object, subresource: str | None = None) -> str:
        return of(obj).path(obj["metadata"].get("namespace"), obj["metadata"]["name"], subresource)


async def _events(lines: aiohttp.StreamReader, resource: Resource) -> AsyncGenerator[Object]:
    try:
        while line := await lines.readline(max_line_length=LONGEST_EVENT):
            event = orjson.loads(line)
            seen = event["object"]
            if event["type"] == "ERROR":
                raise ApiError(seen.get("code", 0), seen.get("reason", ""), seen.get("message", ""))
            seen["metadata"]["resourceVersion"]
            seen.update(apiVersion=resource.api_version, kind=resource.kind)
            yield event
    except _UNEXPECTED as error:
        raise BrokenAnswerError(f"not a watch event: {type(error).__name__}") from error


#: Errors that pass by themselves: no answer, or an answer that says "later".
TRANSIENT = (aiohttp.ClientError, asyncio.TimeoutError, BrokenAnswerError)
