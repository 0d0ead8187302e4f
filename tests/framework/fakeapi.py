"""An API server of one kind over HTTP: lists in pages, watches that go on from a version, and faults on demand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from inventory_operator.api.metadata import API_VERSION, KIND, PLURAL
from inventory_operator.kube.auth import Connection
from inventory_operator.kube.client import Cluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

Object = dict[str, Any]
_PLURALS = {
    "ConfigMap": "configmaps",
    "Secret": "secrets",
    "Cluster": "clusters",
    "Service": "services",
    KIND: PLURAL,
}
#: Seconds that a test waits for what takes a moment: only what hangs needs so long.
PATIENCE = 60.0


class Follower(Protocol):
    """An informer, or what keeps one thing in step by itself."""

    async def follow(self) -> None:
        """Go on until cancelled."""


@contextlib.asynccontextmanager
async def following(follower: Follower) -> AsyncIterator[asyncio.Task[None]]:
    """Let it follow while the block runs."""
    task = asyncio.create_task(follower.follow())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class FakeApi:
    """Serves objects of some kinds and their collections; heeds a namespace in the path."""

    def __init__(self) -> None:
        self.version = 10
        self.objects: dict[tuple[str, str, str], Object] = {}
        #: What happened: the version, the type and the object.
        self.history: list[tuple[int, str, Object]] = []
        #: A watch from an older version is answered with 410.
        self.oldest = 0
        #: The next answers, instead of what was asked for: a code and a message.
        self.refusals: list[tuple[int, str]] = []
        #: The query of each request, with the header Accept under "accept".
        self.requests: list[dict[str, str]] = []
        #: The names of objects that were asked for one by one.
        self.read: list[str] = []
        #: The values of the header Authorization that are accepted; None accepts all.
        self.credentials: set[str] | None = None
        #: Whether the CRD of stacks is there, and whether the discovery of kinds says so.
        self.installed = self.discovered = True
        self.before_page: Callable[[str], None] = lambda _continue: None
        self.url = ""
        self._watches: dict[asyncio.Queue[bytes | None], web.Request] = {}

    def put(self, name: str, *, kind: str = "ConfigMap", namespace: str = "ns", **content: Any) -> Object:
        """Create or change an object; watches are told."""
        key = (kind, namespace, name)
        known = self.objects.get(key)
        self.version += 1
        uid = known["metadata"]["uid"] if known else f"{name}-{self.version}"
        metadata = {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": str(self.version)}
        obj = {"metadata": metadata | content.pop("metadata", {}), **content}
        self.objects[key] = obj
        self._tell("MODIFIED" if known else "ADDED", kind, obj)
        return obj

    def delete(self, name: str, *, kind: str = "ConfigMap", namespace: str = "ns", silently: bool = False) -> None:
        """Delete an object; `silently`, no watch is ever told."""
        obj = self.objects.pop((kind, namespace, name))
        self.version += 1
        if not silently:
            self._tell("DELETED", kind, {**obj, "metadata": obj["metadata"] | {"resourceVersion": str(self.version)}})

    def bookmark(self) -> None:
        """Send each watch a bookmark of the newest version."""
        self.send(_line("BOOKMARK", {"metadata": {"resourceVersion": str(self.version)}}))

    def send(self, raw: bytes) -> None:
        """Send each watch these bytes."""
        for queue in self._watches:
            queue.put_nowait(raw)

    def end_watches(self) -> None:
        """End each watch as the API server does when its time is over."""
        for queue in self._watches:
            queue.put_nowait(None)

    def cut_watches(self) -> None:
        """Close the connection of each watch in the middle of it."""
        for request in self._watches.values():
            assert request.transport
            request.transport.abort()

    @property
    def watching(self) -> int:
        """How many watches are open."""
        return len(self._watches)

    def asked(self, *, watch: bool) -> list[dict[str, str]]:
        """Return the queries of all watches, or of all lists."""
        return [query for query in self.requests if ("watch" in query) == watch]

    def _tell(self, event: str, kind: str, obj: Object) -> None:
        self.history.append((self.version, event, {**obj, "kind": kind}))
        for queue, request in self._watches.items():
            if _matches(request, {**obj, "kind": kind}):
                queue.put_nowait(_line(event, obj))

    def remove_crd(self) -> None:
        """Delete the CRD of stacks, and with it all stacks."""
        self.installed = self.discovered = False
        for kind, namespace, name in list(self.objects):
            if kind == KIND:
                self.delete(name, kind=kind, namespace=namespace)
        self.end_watches()

    def install_crd(self) -> None:
        """Make the CRD of stacks."""
        self.installed = self.discovered = True

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        *_, plural, name = request.path.split("/")
        if plural in _PLURALS.values():
            self.read.append(name)
            return self._trouble(request) or self._get(request)
        if name not in _PLURALS.values():
            return self._discovery(request.path)
        self.requests.append({**request.query, "accept": request.headers["Accept"], "path": request.path})
        if trouble := self._trouble(request):
            return trouble
        return await self._watch(request) if "watch" in request.query else self._list(request)

    def _trouble(self, request: web.Request) -> web.Response | None:
        """Return what is answered instead of what was asked for."""
        if self.credentials is not None and request.headers.get("Authorization") not in self.credentials:
            return _refusal(401, "Unauthorized")
        if self.refusals:
            return _refusal(*self.refusals.pop(0))
        if not self.installed and request.path.endswith(PLURAL):
            return _refusal(404, "404 page not found")
        return None

    def _get(self, request: web.Request) -> web.Response:
        *_, namespace, plural, name = request.path.split("/")
        kind = next(kind for kind, plural_ in _PLURALS.items() if plural_ == plural)
        found = self.objects.get((kind, namespace, name))
        return web.json_response(found) if found else _refusal(404, f'{plural} "{name}" not found')

    def _discovery(self, path: str) -> web.Response:
        """Answer what kopf asks when it starts: which kinds there are."""
        group, _, version = API_VERSION.partition("/")
        versions = {"versions": [{"version": version}], "preferredVersion": {"version": version}}
        verbs = {"namespaced": True, "singularName": "", "verbs": ["list", "watch"]}
        namespaces = {**verbs, "name": "namespaces", "kind": "Namespace"}
        answers: dict[str, Any] = {"/api": {"versions": ["v1"]}, "/api/v1": {"resources": [namespaces]}, "/apis": {}}
        answers["/apis"]["groups"] = [{"name": group, **versions}] if self.discovered else []
        if self.discovered:
            answers[f"/apis/{API_VERSION}"] = {"resources": [{**verbs, "name": PLURAL, "kind": KIND}]}
        return web.json_response(answers[path]) if path in answers else _refusal(404, "404 page not found")

    def _list(self, request: web.Request) -> web.Response:
        rest = request.query.get("continue", "")
        self.before_page(rest)
        # All pages are of the moment of the first, as long as that is known.
        version, start = map(int, rest.split("/")) if rest else (self.version, 0)
        if rest and version < self.oldest:
            return _refusal(410, "The provided continue parameter is too old")
        found = [obj for obj in self._at(version) if _matches(request, obj)]
        end = start + int(request.query.get("limit", "500"))
        metadata = {"resourceVersion": str(version)}
        if end < len(found):
            metadata["continue"] = f"{version}/{end}"
        items = [{key: value for key, value in obj.items() if key != "kind"} for obj in found[start:end]]
        # As the API server does.
        nothing = None if "PartialObjectMetadata" in request.headers["Accept"] else []
        return web.json_response({"metadata": metadata, "items": items or nothing})

    def _at(self, version: int) -> list[Object]:
        now: dict[str, Object] = {}
        for when, event, obj in self.history:
            if when <= version:
                now[obj["metadata"]["uid"]] = obj
                if event == "DELETED":
                    del now[obj["metadata"]["uid"]]
        silently = {obj["metadata"]["uid"] for obj in self.objects.values()}
        return [obj for uid, obj in now.items() if version < self.version or uid in silently]

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        since = int(request.query["resourceVersion"])
        if since < self.oldest:
            gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
            await response.write(_line("ERROR", gone))
            return response
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        for version, event, obj in self.history:
            if version > since and _matches(request, obj):
                queue.put_nowait(_line(event, {key: value for key, value in obj.items() if key != "kind"}))
        self._watches[queue] = request
        try:
            while (line := await queue.get()) is not None:
                await response.write(line)
        finally:
            del self._watches[queue]
        return response


def _matches(request: web.Request, obj: Object) -> bool:
    """Whether an object belongs to the collection of a request."""
    parts = request.path.split("/")
    if parts[-1] != _PLURALS[obj["kind"]]:
        return False
    return "namespaces" not in parts or bool(parts[-2] == obj["metadata"]["namespace"])


def _line(event: str, obj: Object) -> bytes:
    return json.dumps({"type": event, "object": obj}).encode() + b"\n"


def _refusal(code: int, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "code": code, "reason": "", "message": message}, status=code)


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[FakeApi]:
    """Serve a FakeApi while the block lasts."""
    api = FakeApi()
    app = web.Application()
    app.router.add_get("/{path:.*}", api._answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield api
    finally:
        await runner.cleanup()


async def no_credentials() -> dict[str, Any]:
    """The credentials of a server that asks for none."""
    return {}


def connection_to(api: FakeApi) -> Connection:
    """The connection to a FakeApi."""
    return Connection(api.url, SimpleNamespace(auth_settings=no_credentials), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


@contextlib.asynccontextmanager
async def client(api: FakeApi) -> AsyncIterator[Cluster]:
    """The operator's own client of a FakeApi."""
    cluster = Cluster(connection_to(api), concurrency=8)
    try:
        yield cluster
    finally:
        await cluster.close()


async def until(check: Callable[[], Any]) -> None:
    """Wait until the check holds."""
    async with asyncio.timeout(PATIENCE):
        while not check():  # noqa: ASYNC110 - what is waited for is the other task's, and it sets no Event
            await asyncio.sleep(0.002)
