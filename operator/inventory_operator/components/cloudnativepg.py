"""CloudNativePG beside us: whether its kind is served, its Clusters as they change, and what a stack waits for.

kopf can't watch a kind that comes later, so this is a watch of our own. It never writes, and never reads a Secret.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from inventory_operator.api.metadata import STACK_LABEL, Names
from inventory_operator.components.blocker import Blocker, ObjectId, Turn
from inventory_operator.kube.client import TRANSIENT, ApiError, Cluster
from inventory_operator.kube.kinds import CLUSTERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from inventory_operator.cache.store import Store

log = structlog.get_logger(__name__)

#: A watch ends and begins anew this often; the list in between finds what it missed.
WATCH_SECONDS = 290
#: What a stack waits for is told by a watch; this is for what a watch missed.
WAIT_SECONDS = 300.0
NOT_FOUND = 404


@dataclass(slots=True)
class ClusterWatch:
    """Keeps the Clusters of stacks in the store; `changed` is called when their kind comes or goes."""

    cluster: Cluster
    store: Store
    namespace: str | None
    changed: Callable[[], None]
    served: bool = False
    #: Set once it is known whether the kind is served: before, a stack must not hear that it is missing.
    known: asyncio.Event = field(default_factory=asyncio.Event)
    retry_seconds: float = 2.0
    #: How often to look whether CloudNativePG has been installed; costs one small GET, whatever the number of stacks.
    look_again_seconds: float = 15.0

    async def follow(self) -> None:
        """Watch for ever; where the kind is not served, look for it now and then."""
        while True:
            pause = self.retry_seconds
            try:
                await self._list_and_watch()
                continue
            except ApiError as error:
                if error.code == NOT_FOUND:
                    self._see((), sys.maxsize, served=False)
                    pause = self.look_again_seconds
                else:
                    log.warning("watch broke", kind=CLUSTERS.kind, error=str(error))
            except TRANSIENT as error:
                log.warning("watch broke", kind=CLUSTERS.kind, error=str(error) or type(error).__name__)
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311

    async def _list_and_watch(self) -> None:
        objects, version = await self.cluster.list(CLUSTERS, self.namespace, labelSelector=STACK_LABEL)
        self._see(objects, version, served=True)
        events = self.cluster.watch(
            CLUSTERS, self.namespace, WATCH_SECONDS, labelSelector=STACK_LABEL, resourceVersion=str(version)
        )
        async with contextlib.aclosing(events) as stream:
            async for event in stream:
                self.store.observe(event["object"], gone=event["type"] == "DELETED")

    def _see(self, objects: tuple[Any, ...] | list[Any], version: int, *, served: bool) -> None:
        self.store.synced(CLUSTERS, objects, version)
        self.known.set()
        if served != self.served:
            self.served = served
            log.info("CloudNativePG", served=served)
            self.changed()


def blockers(names: Names, lack: str | None, *, served: bool) -> list[Blocker]:
    """Return what holds the Cluster and the service's pods back; what runs of them keeps running.

    `lack` says what the Secret of the database lacks, in words, None when it is complete.
    """
    cluster, pods = (CLUSTERS.kind, names.database), ("Deployment", names.service)
    if not served:
        message = (
            "spec.service.database.cloudNativePG: the cluster has no postgresql.cnpg.io/v1 Cluster: install "
            "CloudNativePG (https://cloudnative-pg.io), or use database.external"
        )
        targets: tuple[ObjectId, ...] = (cluster, pods)
        reason, turn = "CloudNativePGMissing", Turn.USER
    elif lack:
        message = f"{CLUSTERS.kind} {names.database}: waiting for CloudNativePG: {lack}"
        targets = (pods,)
        reason, turn = "WaitingForDatabase", Turn.WAITING
    else:
        return []
    return [Blocker(target, "database", reason, message, turn, WAIT_SECONDS) for target in targets]
