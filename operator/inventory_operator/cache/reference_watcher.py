"""The objects that specs refer to by name, as they change: one watch for each.

A label selector can't see a user's Secret or ConfigMap, so each name has a watch of its own. Values stay in memory; it
logs none.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Any

import structlog

from inventory_operator.kube.client import TRANSIENT, ApiError, Cluster
from inventory_operator.kube.kinds import CONFIG_MAPS, SECRETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from inventory_operator.api.metadata import Key

log = structlog.get_logger(__name__)

#: A watch ends and begins anew this often; the list in between finds what it missed.
WATCH_SECONDS = 290
RETRY_SECONDS = 2.0
#: Longer than one request may take; a worker waits no longer for an API server that does not answer.
LIST_SECONDS = 35.0
GONE = 410
#: kind and name of what a stack refers to in its namespace.
Wanted = tuple[str, str]
#: kind, namespace and name.
Name = tuple[str, str, str]
_RESOURCES = {resource.kind: resource for resource in (SECRETS, CONFIG_MAPS)}


class ReferenceWatcher:
    """Keeps the data of every referenced object; `changed` is called with each stack that a change concerns."""

    def __init__(self, cluster: Cluster, changed: Callable[[Key], None]) -> None:
        self._cluster = cluster
        self._changed = changed
        self._data: dict[Name, dict[str, str] | None] = {}
        self._wanted: dict[Name, set[Key]] = {}
        self._tasks: dict[Name, asyncio.Task[None]] = {}
        self._listed: dict[Name, asyncio.Event] = {}

    async def want(self, key: Key, objects: Iterable[Wanted]) -> None:
        """Watch exactly these objects for `key`, and wait until what they hold is known; else TimeoutError."""
        wanted = {(kind, key[0], name) for kind, name in objects}
        for name in [name for name, keys in self._wanted.items() if key in keys and name not in wanted]:
            self._drop(name, key)
        for name in wanted:
            self._wanted.setdefault(name, set()).add(key)
            if name not in self._tasks:
                self._listed[name] = asyncio.Event()
                self._tasks[name] = asyncio.create_task(self._follow(name))
        async with asyncio.timeout(LIST_SECONDS):
            for name in wanted:
                await self._listed[name].wait()

    def data(self, kind: str, namespace: str, name: str) -> dict[str, str] | None:
        """Return the data of a wanted object, a Secret's in base64; None where there is no such object."""
        return self._data.get((kind, namespace, name))

    async def close(self) -> None:
        """End every watch."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _drop(self, name: Name, key: Key) -> None:
        self._wanted[name].discard(key)
        if not self._wanted[name]:
            self._tasks.pop(name).cancel()
            for memory in (self._wanted, self._data, self._listed):
                memory.pop(name, None)

    async def _follow(self, name: Name) -> None:
        while True:
            try:
                await self._list_and_watch(name)
            except (*TRANSIENT, ApiError) as error:
                if not (isinstance(error, ApiError) and error.code == GONE):
                    said = str(error) or type(error).__name__
                    log.warning("reference watch broke", kind=name[0], namespace=name[1], object=name[2], error=said)
                await asyncio.sleep(RETRY_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311

    async def _list_and_watch(self, name: Name) -> None:
        resource, namespace, selector = _RESOURCES[name[0]], name[1], f"metadata.name={name[2]}"
        objects, version = await self._cluster.list(resource, namespace, fieldSelector=selector)
        self._see(name, objects[0] if objects else None)
        events = self._cluster.watch(
            resource, namespace, WATCH_SECONDS, fieldSelector=selector, resourceVersion=str(version)
        )
        async with contextlib.aclosing(events) as stream:
            async for event in stream:
                self._see(name, None if event["type"] == "DELETED" else event["object"])

    def _see(self, name: Name, found: dict[str, Any] | None) -> None:
        data = None if found is None else found.get("data", {})
        first = not self._listed[name].is_set()
        if first or data != self._data.get(name):
            self._data[name] = data
            self._listed[name].set()
            if not first:
                for key in self._wanted[name]:
                    self._changed(key)
