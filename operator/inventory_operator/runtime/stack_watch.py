"""kopf's watch of the stacks, and its life: it is started when the CRD is there, and again when it ended.

kopf is asked for its tasks and not for the whole operator: that would not return when a watch died, and when it ends
it cancels every task of the process.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import kopf
import structlog

from inventory_operator.cache.watch_state import WatchState
from inventory_operator.kube.client import TRANSIENT, ApiError, Cluster
from inventory_operator.kube.kinds import STACKS
from inventory_operator.runtime import event_handlers

if TYPE_CHECKING:
    from inventory_operator.cache.store import Store
    from inventory_operator.kube.auth import Connection
    from inventory_operator.runtime.ending import Ending
    from inventory_operator.settings import Settings

log = structlog.get_logger(__name__)

#: Together with a start below 30 s: who has not ended by then never does.
END_SECONDS = 6.0
NOT_INSTALLED = f"the CRD of {STACKS.kind} is not installed: kubectl apply --server-side -k crds"


@dataclass(slots=True)
class StackWatch:
    """Keeps the stacks in the store."""

    connection: Connection
    cluster: Cluster
    store: Store
    settings: Settings
    ending: Ending
    #: Between two tries.
    retry_seconds: float = 2.0
    #: kopf lists the stacks within a second or two; what it can't find when it starts, it never looks for again.
    start_seconds: float = 20.0
    state: WatchState = field(default_factory=lambda: WatchState(STACKS.kind))
    #: Set once the stacks were listed: then it is known what their namespaces may put into the cache.
    listed: asyncio.Event = field(default_factory=asyncio.Event)
    _kopf_listed: asyncio.Event = field(default_factory=asyncio.Event)

    async def follow(self) -> None:
        """Watch until cancelled; RuntimeError where kopf neither works nor ends."""
        while True:
            await self._list()
            self.state.broke(await self._run_kopf())
            await asyncio.sleep(self.retry_seconds)

    async def _list(self) -> None:
        """List the stacks into the store, trying until it works; without their CRD there are none."""
        while True:
            try:
                stacks, version = await self.cluster.list(STACKS, self.settings.namespace)
                break
            except ApiError as error:
                if error.not_found:
                    self.store.listed(STACKS, frozenset(), sys.maxsize)
                    self.state.broke(NOT_INSTALLED)
                else:
                    self.state.broke(str(error))
            except TRANSIENT as error:
                self.state.broke(str(error) or type(error).__name__)
            await asyncio.sleep(self.retry_seconds)
        for stack in stacks:
            self.store.observe(stack)
        self.store.listed(STACKS, {stack["metadata"]["uid"] for stack in stacks}, version)
        self.state.listed = True
        self.listed.set()

    async def _run_kopf(self) -> str:
        """Return why kopf no longer watches."""
        self._kopf_listed.clear()
        s = self.settings
        tasks = {
            *await kopf.spawn_tasks(
                registry=event_handlers.registry(self.connection, self.store, self._trace()),
                settings=event_handlers.operator_settings(),
                clusterwide=s.clusterwide,
                namespaces=[s.namespace] if s.namespace else [],
                identity=s.identity,  # type: ignore[arg-type]
            ),
            asyncio.create_task(self._list_after_kopf(), name="kopf's list of stacks"),
        }
        self.ending.take_signals()
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            _, hanging = await asyncio.wait(tasks, timeout=END_SECONDS)
        # Of all of them: an error that nobody asks for is logged as forgotten.
        reasons = {task: _reason(task) for task in tasks - hanging}
        why = "; ".join(sorted(reasons[task] for task in ended))
        if hanging:
            names = ", ".join(sorted(task.get_name() for task in hanging))
            raise RuntimeError(f"kopf ended ({why}) and hangs in {names}")
        return why

    async def _list_after_kopf(self) -> None:
        """List the stacks after each list of kopf: it tells of no stack that went before it listed anew."""
        async with asyncio.timeout(self.start_seconds):
            await self._kopf_listed.wait()
        while True:
            await self._kopf_listed.wait()
            self._kopf_listed.clear()
            await self._list()

    def _trace(self) -> aiohttp.TraceConfig:
        """Return what sees each request of kopf for stacks; that kopf goes on is seen nowhere else."""
        trace = aiohttp.TraceConfig()

        async def answered(_: Any, __: Any, request: aiohttp.TraceRequestEndParams) -> None:
            if not request.url.path.endswith(f"/{STACKS.plural}"):
                return
            if request.response.status >= 300:  # noqa: PLR2004
                self.state.broke(f"{request.response.status} {request.response.reason}")
            elif "watch" in request.url.query:
                self.state.works()
            else:
                self.state.heard()
                self._kopf_listed.set()

        async def failed(_: Any, __: Any, request: aiohttp.TraceRequestExceptionParams) -> None:
            cancelled = isinstance(request.exception, asyncio.CancelledError)
            if request.url.path.endswith(f"/{STACKS.plural}") and not cancelled:
                self.state.broke(str(request.exception) or type(request.exception).__name__)

        trace.on_request_end.append(answered)
        trace.on_request_exception.append(failed)
        return trace


def _reason(task: asyncio.Task[Any]) -> str:
    error = None if task.cancelled() else task.exception()
    text = f"{type(error).__name__}: {error}" if error else "it ended"
    return f"{task.get_name()}: {' '.join(text.split())[:300]}"
