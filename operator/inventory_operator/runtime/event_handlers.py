"""The event handlers: every kopf decorator. kopf watches, the store and the queue take it from here.

Handlers only observe: a create, update, delete or timer handler would make kopf write annotations and a finalizer.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import kopf

from inventory_operator.api.metadata import STACK_LABEL
from inventory_operator.kube.kinds import STACKS, Resource, watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inventory_operator.cache.store import Store
    from inventory_operator.kube.auth import Connection
    from inventory_operator.settings import Settings

#: Watches are few and lasting; lists page through the same connections.
KOPF_CONNECTIONS = 64
#: A watch that showed nothing for this long, bookmarks included, is broken.
INACTIVITY_SECONDS = 70.0
CONNECT_SECONDS = 5.0
#: kopf keeps a task with its last event for each object this long: after a list of thousands that is the most memory.
IDLE_SECONDS = 0.1


class _Endless:
    """Pauses between tries, in seconds: kopf's own list ends, and with it the process, after about 54 s."""

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((0.5, 1.0, 2.0), itertools.repeat(5.0))


class _NoDiffBase(kopf.DiffBaseStorage):
    """Keeps no last-seen state: kopf would write it into annotations."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        return None


class _NoProgress(kopf.ProgressStorage):
    """Keeps no progress of handlers: there are none that could fail."""

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        return None

    def purge(self, **_: Any) -> None:
        return None

    def touch(self, **_: Any) -> None:
        return None

    def clear(self, *, essence: Any) -> Any:
        return essence


def registry(connection: Connection, store: Store, settings: Settings) -> kopf.OperatorRegistry:
    """Return every handler, bound to this connection and this store."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.login(registry=handlers)
    async def login(**_: Any) -> kopf.AiohttpSession:
        return kopf.AiohttpSession(server=connection.server, aiohttp_session=connection.session(KOPF_CONNECTIONS))

    def watch(resource: Resource, **filters: Any) -> None:
        @kopf.on.event(resource.group, resource.version, resource.plural, registry=handlers, **filters)
        async def on_event(event: Any, **_: Any) -> None:
            obj = {**event["object"], "apiVersion": resource.api_version, "kind": resource.kind}
            store.observe(obj, gone=event["type"] == "DELETED")

    watch(STACKS)
    for child in watched(clusterwide=settings.clusterwide):
        watch(child, labels={STACK_LABEL: kopf.PRESENT})
    return handlers


def operator_settings(settings: Settings) -> kopf.OperatorSettings:
    """Return kopf's settings: read only, quiet, and stubborn about the connection."""
    result = kopf.OperatorSettings()
    result.persistence.diffbase_storage = _NoDiffBase()
    result.persistence.progress_storage = _NoProgress()
    result.posting.enabled = False
    result.scanning.disabled = True
    result.peering.standalone = True
    result.watching.inactivity_timeout = INACTIVITY_SECONDS
    result.watching.connect_timeout = CONNECT_SECONDS
    result.networking.connect_timeout = CONNECT_SECONDS
    result.queueing.idle_timeout = IDLE_SECONDS
    result.networking.error_backoffs = _Endless()
    for child in watched(clusterwide=settings.clusterwide):
        result.watching.label_selectors[child.plural] = STACK_LABEL
    return result
