"""One run of the operator: connects, checks its rights, watches, leads, works, and ends as a whole.

It holds the tasks together; what they do is in their own modules. A task that ends, ends the process.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import kopf
import structlog

from inventory_operator import metrics
from inventory_operator.api.metadata import STACK_LABEL
from inventory_operator.cache.reference_watcher import ReferenceWatcher
from inventory_operator.cache.store import Store
from inventory_operator.components.alertmanager_reload import Reloader
from inventory_operator.components.cloudnativepg import ClusterWatch
from inventory_operator.components.config_tools import ConfigChecker
from inventory_operator.controller.applier import Applier
from inventory_operator.controller.inputs import InputCollector
from inventory_operator.controller.reconciler import Reconciler
from inventory_operator.controller.workqueue import Queue
from inventory_operator.kube import permissions
from inventory_operator.kube.auth import Connection, connect
from inventory_operator.kube.client import TRANSIENT, ApiError, Cluster
from inventory_operator.kube.kinds import STACKS, Resource, watched
from inventory_operator.kube.leader_election import Lease
from inventory_operator.runtime import event_handlers, health
from inventory_operator.version import __version__

if TYPE_CHECKING:
    from inventory_operator.settings import Settings

log = structlog.get_logger(__name__)

RETRY_SECONDS = 2.0
#: What was deleted after the first list and before kopf's watches stood is in neither: a second list finds it.
SECOND_LIST_SECONDS = 10.0
#: A list of everything takes seconds; one that takes this many resync periods is stuck.
STUCK_PERIODS = 3


class StartError(Exception):
    """The operator can't start; the message says what a person has to do."""


@dataclass(slots=True)
class App:
    """The parts of a running operator."""

    connection: Connection
    settings: Settings
    cluster: Cluster
    store: Store
    queue: Queue
    watcher: ReferenceWatcher
    reconciler: Reconciler
    lease: Lease
    clusters: ClusterWatch
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    leading: asyncio.Event = field(default_factory=asyncio.Event)
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    listed_at: float = 0.0

    async def run(self) -> bool:
        """Run until asked to stop; returns False when a task ended that never should."""
        runner = await health.start(self.settings.http_port, self._live, self._ready)
        tasks = {
            "kopf": asyncio.create_task(self._watch()),
            "lease": asyncio.create_task(self.lease.hold(self._acquired)),
            "resync": asyncio.create_task(self._resync()),
            "clusters": asyncio.create_task(self.clusters.follow()),
            **{f"worker-{n}": asyncio.create_task(self._work()) for n in range(self.settings.workers)},
        }
        stopping = asyncio.create_task(self.stop.wait())
        done, _ = await asyncio.wait([stopping, *tasks.values()], return_when=asyncio.FIRST_COMPLETED)
        died = [] if self.stop.is_set() else [name for name, task in tasks.items() if task in done]
        for name in died:
            log.error("a task ended: the operator ends with it", task=name, exc_info=_reason(tasks[name]))
        for task in (stopping, *tasks.values()):
            task.cancel()
        await asyncio.gather(stopping, *tasks.values(), return_exceptions=True)
        await self._close(runner)
        return not died

    async def _close(self, runner: Any) -> None:
        try:
            await self.lease.release()
        except (ApiError, *TRANSIENT) as error:
            log.warning("the Lease was not handed over", error=str(error))
        await self.watcher.close()
        await self.cluster.close()
        await runner.cleanup()

    async def _watch(self) -> None:
        # Not at the same time as the first lists: kopf lists every kind, too, and holds all of it at once.
        await self.synced.wait()
        s = self.settings
        await kopf.operator(
            registry=event_handlers.registry(self.connection, self.store, s),
            settings=event_handlers.operator_settings(s),
            clusterwide=s.clusterwide,
            namespaces=[s.namespace] if s.namespace else [],
            standalone=True,
            identity=s.identity,  # type: ignore[arg-type]
            stop_flag=self.stop,
        )
        # kopf takes over the signals of the process: its peaceful end is SIGTERM or SIGINT.
        self.stop.set()

    def _acquired(self) -> None:
        metrics.LEADER.set(1)
        self.leading.set()

    async def _resync(self) -> None:
        """List every kind: once before the first write, then again and again."""
        await self.list_all()
        await self.clusters.known.wait()
        metrics.SYNCED.set(1)
        self.synced.set()
        log.info("synced", stacks=len(self.store.stacks))
        pause = min(SECOND_LIST_SECONDS, self.settings.resync_seconds)
        while True:
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311
            pause = self.settings.resync_seconds
            await self.list_all()
            self.queue.add_all({*self.store.stacks, *self.store.children})

    async def list_all(self) -> None:
        """List every kind into the store; right after a CRD is made its list answers 429: then wait and try again."""
        for resource in (STACKS, *watched(clusterwide=self.settings.clusterwide)):
            while not await self._list(resource):  # noqa: ASYNC110 - it asks again, nobody could set an Event
                await asyncio.sleep(RETRY_SECONDS)
        self.listed_at = time.monotonic()

    async def _list(self, resource: Resource) -> bool:
        selector = {} if resource is STACKS else {"labelSelector": STACK_LABEL}
        try:
            objects, version = await self.cluster.list(
                resource, self.settings.namespace, resourceVersion="0", **selector
            )
        except (ApiError, *TRANSIENT) as error:
            log.warning("list failed", kind=resource.kind, error=str(error) or type(error).__name__)
            return False
        self.store.synced(resource, objects, version)
        return True

    async def _work(self) -> None:
        await self.leading.wait()
        await self.synced.wait()
        await self.queue.work(self.reconciler)

    def _live(self) -> str | None:
        if not self.synced.is_set():
            return None
        age = time.monotonic() - self.listed_at
        return f"nothing was listed for {age:.0f} s" if age > STUCK_PERIODS * self.settings.resync_seconds else None

    def _ready(self) -> str | None:
        return None if self.synced.is_set() else "not every kind was listed yet"


def _reason(task: asyncio.Task[Any]) -> BaseException | None:
    return None if task.cancelled() else task.exception()


async def run(settings: Settings) -> bool:
    """Run the operator until SIGTERM or SIGINT.

    Returns:
        False when it ended by itself (a lost Lease, a task that died): start it again.

    Raises:
        NoConnectionError: no usable credentials.
        StartError: the CRD or rights are missing.

    """
    connection = await connect()
    cluster = Cluster(connection, settings.concurrency)
    log.info("starting", version=__version__, server=connection.server, namespace=settings.namespace or "(all)")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await _check(cluster, settings)
    except BaseException:
        await cluster.close()
        raise
    queue = Queue(settings.backoff_seconds, settings.backoff_limit_seconds)
    store = Store(queue.add)
    watcher = ReferenceWatcher(cluster, queue.add)
    clusters = ClusterWatch(cluster, store, settings.namespace, lambda: queue.add_all(store.stacks))
    collector = InputCollector(cluster, store, watcher, settings, ConfigChecker())
    applier = Applier(cluster, store)
    reconciler = Reconciler(cluster, store, queue, watcher, settings, applier, clusters, collector, Reloader())
    lease = Lease(cluster, settings)
    app = App(connection, settings, cluster, store, queue, watcher, reconciler, lease, clusters, stop)
    return await app.run()


async def _check(cluster: Cluster, settings: Settings) -> None:
    """Wait for the API server, then raise StartError unless the CRD and every right are there."""
    while True:
        try:
            await cluster.request("GET", f"/apis/{STACKS.api_version}")
            lacking = await permissions.missing(cluster, settings)
            break
        except ApiError as error:
            if error.code == 404:  # noqa: PLR2004
                advice = "kubectl apply --server-side -k crds"
                raise StartError(f"the CRD of {STACKS.kind} is not installed: {advice}") from error
            log.warning("the API server refuses", error=str(error))
        except TRANSIENT as error:
            log.warning("the API server does not answer", error=str(error) or type(error).__name__)
        await asyncio.sleep(RETRY_SECONDS)
    if lacking:
        raise StartError(f"the operator may not: {'; '.join(lacking)}. Its roles are in operator/deploy")
