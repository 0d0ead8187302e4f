"""The event handlers: every kopf decorator. kopf watches the stacks, the store and the queue take it from here.

Handlers only observe: a create, update, delete or timer handler would make kopf write annotations and a finalizer.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import kopf

from inventory_operator.kube.kinds import STACKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import aiohttp

    from inventory_operator.cache.store import Store
    from inventory_operator.kube.auth import Connection

#: One watch, and a list now and then.
KOPF_CONNECTIONS = 4
#: A watch ends and goes on this often, at the latest: that kopf asks is how we know that it lives.
WATCH_SECONDS = 290
#: A watch that showed nothing for this long, bookmarks included, is broken.
INACTIVITY_SECONDS = 70.0
CONNECT_SECONDS = 5.0
#: How long the handlers of single events may take when kopf ends; ours take no time.
EXIT_SECONDS = 1.0
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


def registry(connection: Connection, store: Store, trace: aiohttp.TraceConfig) -> kopf.OperatorRegistry:
    """Return every handler, bound to this connection and this store; `trace` sees kopf's requests."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.login(registry=handlers)
    async def login(**_: Any) -> kopf.AiohttpSession:
        session = connection.session(KOPF_CONNECTIONS, trace)
        return kopf.AiohttpSession(server=connection.server, aiohttp_session=session)

    @kopf.on.event(STACKS.group, STACKS.version, STACKS.plural, registry=handlers)
    async def on_event(event: Any, **_: Any) -> None:
        obj = {**event["object"], "apiVersion": STACKS.api_version, "kind": STACKS.kind}
        store.observe(obj, gone=event["type"] == "DELETED")

    return handlers


def operator_settings() -> kopf.OperatorSettings:
    """Return kopf's settings: read only, quiet, and stubborn about the connection."""
    result = kopf.OperatorSettings()
    result.persistence.diffbase_storage = _NoDiffBase()
    result.persistence.progress_storage = _NoProgress()
    result.posting.enabled = False
    result.scanning.disabled = True
    result.peering.standalone = True
    # It would kill the process ten minutes after kopf was started again.
    result.process.ultimate_exiting_timeout = None
    result.watching.server_timeout = WATCH_SECONDS
    result.watching.inactivity_timeout = INACTIVITY_SECONDS
    result.watching.connect_timeout = CONNECT_SECONDS
    result.networking.connect_timeout = CONNECT_SECONDS
    result.queueing.idle_timeout = IDLE_SECONDS
    result.queueing.exit_timeout = EXIT_SECONDS
    result.networking.error_backoffs = _Endless()
    return result
