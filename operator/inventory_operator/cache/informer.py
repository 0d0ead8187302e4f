"""The one way to follow objects: list them in pages, watch them, go on where the watch broke.

It tells a sink what it sees, in the order of the API server. What is to be done about it is not its business.
"""

from __future__ import annotations

import asyncio
import random
import sys
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from inventory_operator.cache.watch_state import WatchState
from inventory_operator.kube.client import NOT_FOUND, TRANSIENT, ApiError, BrokenAnswerError, Cluster

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from inventory_operator.kube.kinds import Resource

log = structlog.get_logger(__name__)

GONE = 410
#: After these the resource version that a watch would go on from is of no use: unknown, too old, or too new.
_LIST_ANEW = frozenset({400, NOT_FOUND, GONE, 504})


class Sink(Protocol):
    """Who keeps what an informer sees."""

    def observe(self, obj: dict[str, Any], *, gone: bool = False) -> None:
        """Take in one object as it is now, or as it was when it was deleted."""

    def listed(self, resource: Resource, uids: AbstractSet[str], list_version: int) -> None:
        """Take in that a list, whose objects were observed, is complete: what it lacks and is not newer is gone."""

    def wants_list(self, resource: Resource) -> bool:
        """Return whether the next watch should begin with a list: what was refused may fit now."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds."""

    #: A watch ends and goes on this often, at the latest.
    watch: float = 290.0
    #: The API server sends a bookmark each minute: a watch that is silent for longer is broken.
    silence: float = 70.0
    #: First and longest pause between two tries.
    retry: float = 0.25
    retry_limit: float = 8.0
    #: How often to look for a kind that may come; costs one small request.
    look_again: float = 15.0

    def pause(self, failures: int) -> float:
        """Return how long to wait after so many tries that failed, one or more."""
        return min(self.retry * 2.0 ** min(failures - 1, 16), self.retry_limit) * random.uniform(0.6, 1.0)  # noqa: S311


@dataclass(slots=True)
class Informer:
    """Follows the objects of one kind that match `selector` (labelSelector), for ever."""

    cluster: Cluster
    resource: Resource
    namespace: str | None
    sink: Sink
    selector: dict[str, str]
    timing: Timing = field(default_factory=Timing)
    #: Whether only changes are told: then each list is told as an empty one, and nothing is read for it.
    changes_only: bool = False
    #: Bounds how many informers list at the same time, and so the memory that pages take.
    lists: asyncio.Semaphore = field(default_factory=asyncio.Semaphore)
    #: Called when an optional kind comes or goes.
    served_changed: Callable[[], None] = lambda: None
    #: Set once everything was listed, or the kind is known to be missing.
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    #: Whether the API server has the kind.
    served: bool = False
    state: WatchState = field(init=False)
    _version: str | None = None
    #: Tries since the last event, and whether the watch that is open had one.
    _failures: int = 0
    _heard: bool = False

    def __post_init__(self) -> None:
        self.state = WatchState(self.resource.kind, {"namespace": self.namespace} if self.namespace else {})

    async def follow(self) -> None:
        """List and watch until cancelled; an error that is not the API server's or the network's ends it."""
        while True:
            self.state.heard()
            try:
                if self._version is None or self.sink.wants_list(self.resource):
                    await self._list()
                await self._watch()
                # It ended in time. After silence that is a failure like another, or there would be no pause.
                self._failures += 0 if self._heard else 1
            except ApiError as error:
                self._refused(error)
            except BrokenAnswerError as error:
                self._broke(str(error), list_anew=self._failures > 0)
            except TRANSIENT as error:
                self._broke(str(error) or type(error).__name__)
            if self._failures:
                await asyncio.sleep(self._pause())

    async def _list(self) -> None:
        uids: set[str] = set()
        version = 0
        # The first page has the version of the whole list: all that is needed to see what changes from then on.
        least = {"limit": "1"} if self.changes_only else {}
        async with (
            self.lists,
            aclosing(self.cluster.pages(self.resource, self.namespace, **self.selector, **least)) as pages,
        ):
            async for objects, of_list in pages:
                version = of_list
                self.state.heard()
                if self.changes_only:
                    break
                for obj in objects:
                    uids.add(obj["metadata"]["uid"])
                    self.sink.observe(obj)
        self._version = str(version)
        self.sink.listed(self.resource, uids, version)
        self._now_served(served=True)

    async def _watch(self) -> None:
        assert self._version is not None
        self._heard = False
        seconds = int(self.timing.watch * random.uniform(0.8, 1.0))  # noqa: S311
        query = {**self.selector, "resourceVersion": self._version}
        async with self.cluster.watch(self.resource, self.namespace, seconds, self.timing.silence, **query) as events:
            self.state.works()
            async for event in events:
                self._take(event["type"], event["object"])

    def _take(self, kind: str, obj: dict[str, Any]) -> None:
        self.state.heard()
        self._heard, self._failures = True, 0
        if kind != "BOOKMARK":
            self.sink.observe(obj, gone=kind == "DELETED")
        self._version = obj["metadata"]["resourceVersion"]

    def _refused(self, error: ApiError) -> None:
        if error.not_found and self.resource.optional:
            self._failures += 1
            self._version = None
            self.sink.listed(self.resource, frozenset(), sys.maxsize)
            self._now_served(served=False)
            self.state.works()
        elif error.code == GONE:
            self._failures += 1
            self._version = None
            log.info("the watch fell behind: everything is listed again", kind=self.resource.kind)
        else:
            self._broke(str(error), list_anew=error.code in _LIST_ANEW)

    def _broke(self, error: str, *, list_anew: bool = False) -> None:
        self._failures += 1
        self.state.broke(error)
        if list_anew:
            self._version = None

    def _now_served(self, *, served: bool) -> None:
        self.state.listed = True
        self.synced.set()
        if served == self.served:
            return
        self.served = served
        if self.resource.optional:
            log.info("an optional kind", kind=self.resource.kind, group=self.resource.group, served=served)
            self.served_changed()

    def _pause(self) -> float:
        if self.synced.is_set() and not self.served and not self.state.error:
            return self.timing.look_again * random.uniform(0.6, 1.0)  # noqa: S311
        return self.timing.pause(self._failures)
