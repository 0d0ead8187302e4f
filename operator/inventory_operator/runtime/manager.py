"""One run of the operator: connects, checks its rights, watches, leads, works, and ends as a whole.

A task that ends, ends the process.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from inventory_operator import metrics
from inventory_operator.api.metadata import STACK_LABEL
from inventory_operator.cache.informer import Informer
from inventory_operator.cache.reference_watcher import ReferenceWatcher
from inventory_operator.cache.store import Store
from inventory_operator.components import ALL
from inventory_operator.components.config_tools import ConfigChecker
from inventory_operator.controller.applier import Applier
from inventory_operator.controller.execute import Executor
from inventory_operator.controller.inputs import InputCollector
from inventory_operator.controller.observe import Observer
from inventory_operator.controller.plan import Planner
from inventory_operator.controller.reconciler import Reconciler
from inventory_operator.controller.report import Reporter
from inventory_operator.controller.storage_classes import StorageClasses
from inventory_operator.controller.workqueue import Queue
from inventory_operator.kube import permissions
from inventory_operator.kube.auth import connect
from inventory_operator.kube.client import TRANSIENT, ApiError, Cluster
from inventory_operator.kube.kinds import watched
from inventory_operator.kube.leader_election import Lease
from inventory_operator.runtime import health
from inventory_operator.runtime.ending import Ending
from inventory_operator.runtime.metrics_access import MetricsAccess
from inventory_operator.runtime.stack_watch import StackWatch
from inventory_operator.verification.verifier import Verifier
from inventory_operator.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from inventory_operator.api.metadata import Key
    from inventory_operator.cache.watch_state import WatchState
    from inventory_operator.settings import Settings

log = structlog.get_logger(__name__)

RETRY_SECONDS = 2.0
#: Kinds that are listed at the same time: their pages are what takes most memory at the start.
LISTS = 2
#: Together below Ending.forced_after: to cancel the tasks, and to hand over the Lease.
CANCEL_SECONDS = 5.0
RELEASE_SECONDS = 2.0


class StartError(Exception):
    """The operator can't start; the message says what a person has to do."""


@dataclass(slots=True)
class App:
    """The parts of a running operator."""

    settings: Settings
    cluster: Cluster
    store: Store
    queue: Queue
    stacks: StackWatch
    children: list[Informer]
    references: ReferenceWatcher
    reconciler: Reconciler
    verifier: Verifier
    lease: Lease
    ending: Ending
    leading: asyncio.Event = field(default_factory=asyncio.Event)
    synced: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> bool:
        """Run until asked to stop; returns False when a task ended that never should."""
        access = MetricsAccess(self.cluster, self.store)
        runner = await health.start(self.settings.http_port, self._live, self._ready, access)
        work = {
            "stacks": self.stacks.follow(),
            "lease": self.lease.hold(self._acquired),
            "resync": self._resync(),
            "references": self.references.run(),
            "verification": self._verify(),
            **{f"children-{child.resource.plural}": self._follow(child) for child in self.children},
            **{f"worker-{n}": self._work() for n in range(self.settings.workers)},
        }
        tasks = {name: asyncio.create_task(coroutine) for name, coroutine in work.items()}
        stopping = asyncio.create_task(self.ending.stop.wait())
        done, _ = await asyncio.wait([stopping, *tasks.values()], return_when=asyncio.FIRST_COMPLETED)
        self.ending.begin()
        died = [] if self.ending.stop.is_set() else [name for name, task in tasks.items() if task in done]
        for name in died:
            log.error("a task ended: the operator ends with it", task=name, exc_info=_reason(tasks[name]))
        for task in (stopping, *tasks.values()):
            task.cancel()
        await asyncio.wait([stopping, *tasks.values()], timeout=CANCEL_SECONDS)
        # Whoever leads now tells of the stacks.
        metrics.LEADER.set(0)
        metrics.STACK_CONDITIONS.clear()
        await self._close(runner)
        return not died

    async def _close(self, runner: Any) -> None:
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await self.lease.release()
        except (ApiError, *TRANSIENT) as error:
            log.warning("the Lease was not handed over", error=str(error) or type(error).__name__)
        await self.lease.close()
        await self.references.close()
        await self.cluster.close()
        await runner.cleanup()

    def _acquired(self) -> None:
        metrics.LEADER.set(1)
        self.leading.set()

    async def _follow(self, informer: Informer) -> None:
        # How much a namespace may put into the store depends on its stacks.
        await self.stacks.listed.wait()
        await informer.follow()

    async def _resync(self) -> None:
        """Have every stack looked at again and again, once every kind was listed."""
        await self.stacks.listed.wait()
        for informer in self.children:
            await informer.synced.wait()
        metrics.SYNCED.set(1)
        self.synced.set()
        log.info("synced", stacks=len(self.store.stacks))
        while True:
            await asyncio.sleep(self.settings.resync_seconds * random.uniform(0.8, 1.2))  # noqa: S311
            self.queue.add_all({*self.store.stacks, *self.store.children})

    async def _work(self) -> None:
        await self.leading.wait()
        await self.synced.wait()
        await self.queue.work(self.reconciler)

    async def _verify(self) -> None:
        await self.leading.wait()
        await self.synced.wait()
        await self.verifier.run()

    def _watches(self) -> Iterator[WatchState]:
        yield self.stacks.state
        if self.stacks.listed.is_set():
            yield from (informer.state for informer in self.children)

    def _live(self) -> str | None:
        return next((stuck for watch in self._watches() if (stuck := watch.stuck())), None)

    def _ready(self) -> str | None:
        return next((problem for watch in self._watches() if (problem := watch.problem())), None)


def _reason(task: asyncio.Task[Any]) -> BaseException | None:
    return None if task.cancelled() else task.exception()


async def run(settings: Settings) -> bool:
    """Run the operator until SIGTERM or SIGINT.

    Returns:
        False when it ended by itself (a lost Lease, a task that died): start it again.

    Raises:
        NoConnectionError: no usable credentials.
        StartError: rights are missing.

    """
    ending = Ending()
    ending.take_signals()
    connection = await connect()
    cluster = Cluster(connection, settings.concurrency)
    log.info("starting", version=__version__, server=connection.server, namespace=settings.namespace or "(all)")
    try:
        await _check_rights(cluster, settings, ending)
    except BaseException:
        await cluster.close()
        raise
    queue = Queue(settings.backoff_seconds, settings.backoff_limit_seconds, settings.namespace_workers)
    store = Store(queue.add)

    def changed(key: Key) -> None:
        queue.add(key)
        verifier.touch(key)

    store.changed = changed
    references = ReferenceWatcher(cluster, queue.add)
    verifier = Verifier(cluster, store, settings, queue.add, references.data)
    stacks = StackWatch(connection, cluster, store, settings, ending)
    children = _informers(cluster, settings, store, lambda: queue.add_all(store.stacks))
    checker = ConfigChecker()
    collector = InputCollector(cluster, store, references, settings, checker)
    hooks = tuple(component.after_apply() for component in ALL if component.after_apply)
    reconciler = Reconciler(
        store,
        queue,
        references,
        collector,
        Observer(references, lambda: {child.resource.kind for child in children if child.served}, settings),
        Planner(store, collector, checker),
        Executor(store, Applier(cluster, store, settings.kubelet_metrics), hooks),
        Reporter(cluster, store, settings, StorageClasses(cluster, settings), verified=verifier.result),
    )
    # On a connection of its own: whatever tenants cause, no request of theirs is before it.
    lease = Lease(Cluster(connection, concurrency=1), settings)
    app = App(settings, cluster, store, queue, stacks, children, references, reconciler, verifier, lease, ending)
    return await app.run()


def _informers(cluster: Cluster, settings: Settings, store: Store, changed: Callable[[], None]) -> list[Informer]:
    """Return an informer for each kind of child and for pods; `changed` tells of an optional kind."""
    lists, selector = asyncio.Semaphore(LISTS), {"labelSelector": STACK_LABEL}
    kinds, namespace = watched(clusterwide=settings.clusterwide), settings.namespace
    return [Informer(cluster, kind, namespace, store, selector, lists=lists, served_changed=changed) for kind in kinds]


async def _check_rights(cluster: Cluster, settings: Settings, ending: Ending) -> None:
    """Wait for the API server, then raise StartError unless every right is there."""
    while not ending.stop.is_set():
        try:
            lacking = await permissions.missing(cluster, settings)
        except ApiError as error:
            log.warning("the API server refuses", error=str(error))
        except TRANSIENT as error:
            log.warning("the API server does not answer", error=str(error) or type(error).__name__)
        else:
            if lacking:
                raise StartError(f"the operator may not: {'; '.join(lacking)}. Its roles are in operator/deploy")
            return
        await asyncio.sleep(RETRY_SECONDS)
