"""Reads what specs refer to in a namespace: one watch for each kind, one GET for each name when its object changes.

A label selector can't see a user's Secret or ConfigMap, so of all in the namespace the metadata is watched. Values stay
in memory; it logs none.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from inventory_operator.cache.informer import Informer, Timing
from inventory_operator.cache.watch_state import WatchState
from inventory_operator.kube.client import TRANSIENT, ApiError, Cluster
from inventory_operator.kube.kinds import CONFIG_MAPS, SECRETS, Resource

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from collections.abc import Set as AbstractSet

    from inventory_operator.api.metadata import Key
    from inventory_operator.cache.limits import NamespaceLimits

#: How often a worker that waits looks whether the API server refuses.
LOOK_SECONDS = 1.0
#: Names of one namespace that are read at the same time: however many there are, what is done for others comes between.
TURNS = 4
#: kind, namespace and name.
Name = tuple[str, str, str]
KINDS = {resource.kind: resource for resource in (SECRETS, CONFIG_MAPS)}


@dataclass(slots=True)
class Reads:
    """What all references have in common."""

    cluster: Cluster
    timing: Timing
    limits: NamespaceLimits
    #: Called with each stack that a change concerns.
    changed: Callable[[Key], None]
    #: What ended a task that never should.
    defects: asyncio.Queue[BaseException] = field(default_factory=asyncio.Queue)
    _turns: WeakValueDictionary[str, asyncio.Semaphore] = field(default_factory=WeakValueDictionary)

    def turns_of(self, namespace: str) -> asyncio.Semaphore:
        """Return what bounds how many names of a namespace are read at the same time."""
        return self._turns.setdefault(namespace, asyncio.Semaphore(TURNS))

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start what never ends by itself."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (defect := task.exception()):
            self.defects.put_nowait(defect)


class Reference:
    """One object that specs refer to."""

    def __init__(self, name: Name, reads: Reads) -> None:
        self.keys: set[Key] = set()
        self.data: dict[str, str] | None = None
        #: Keys whose values are bytes: of these only the names are kept.
        self.binary_keys: frozenset[str] = frozenset()
        #: Whether it exceeds what its namespace may have in memory.
        self.refused = False
        #: Set once it was read.
        self.known = asyncio.Event()
        self.state = WatchState(name[0], {"namespace": name[1], "name": name[2]})
        self._size = 0
        self._name = name
        self._reads = reads
        #: Shared by all of the namespace, for as long as one of them is there.
        self._turns = reads.turns_of(name[1])
        #: Set when it may be another than was read.
        self._changed = asyncio.Event()
        self.task = reads.start(self._follow())

    def look(self) -> None:
        """Have it read, once more where that is being done."""
        self._changed.set()

    def close(self) -> None:
        """End what reads it."""
        self.task.cancel()
        self._reads.limits.release(self._name[1], self._size)

    async def _follow(self) -> None:
        kind, namespace, name = self._name
        failures = 0
        while True:
            await self._changed.wait()
            try:
                async with self._turns:
                    self._changed.clear()
                    found = await self._reads.cluster.get(KINDS[kind], name, namespace)
            except (ApiError, *TRANSIENT) as error:
                failures += 1
                self.state.broke(str(error) or type(error).__name__)
                await asyncio.sleep(self._reads.timing.pause(failures))
                self._changed.set()
            else:
                failures = 0
                self.state.works()
                self._see(found)

    def _see(self, found: dict[str, Any] | None) -> None:
        data, binary = (found.get("data", {}), frozenset(found.get("binaryData", ()))) if found else (None, frozenset())
        size = sum(len(key) + len(value) for key, value in (data or {}).items()) + sum(map(len, binary))
        self.refused = not self._reads.limits.take(self._name[1], size, self._size)
        if self.refused:
            data, binary, size = None, frozenset(), 0
            # It keeps its place among the names of the namespace.
            self._reads.limits.take(self._name[1], 0)
        self._size = size
        news = (data, binary) != (self.data, self.binary_keys) or self.refused
        self.data, self.binary_keys = data, binary
        if news and self.known.is_set():
            for key in self.keys:
                self._reads.changed(key)
        self.known.set()


class NamespaceReferences:
    """One kind in one namespace: the sink of an informer, which has read anew what changed."""

    def __init__(self, kind: str, namespace: str, reads: Reads) -> None:
        self.references: dict[str, Reference] = {}
        resource = replace(KINDS[kind], metadata_only=True)
        self._informer = Informer(reads.cluster, resource, namespace, self, {}, timing=reads.timing, changes_only=True)
        self.state = self._informer.state
        self.task = reads.start(self._informer.follow())

    def observe(self, obj: dict[str, Any], *, gone: bool = False) -> None:  # noqa: ARG002 - a Sink
        """Have an object read, whatever happened to it."""
        if one := self.references.get(obj["metadata"]["name"]):
            one.look()

    def listed(self, resource: Resource, uids: AbstractSet[str], list_version: int) -> None:  # noqa: ARG002 - a Sink
        """Have everything read: from here on changes are seen, those before may have been missed."""
        for one in self.references.values():
            one.look()

    def wants_list(self, resource: Resource) -> bool:  # noqa: ARG002 - a Sink
        """Return that no list is needed."""
        return False

    def add(self, name: str, reference: Reference) -> None:
        """Have an object read, now or once later changes are sure to be seen, and whenever it changes."""
        self.references[name] = reference
        if self._informer.synced.is_set():
            reference.look()

    async def known(self, name: str, deadline: float) -> None:
        """Wait until it is known; TimeoutError at the deadline, or once the API server has refused for some seconds."""
        one = self.references[name]
        while not one.known.is_set():
            late = time.monotonic() > deadline
            why = self.state.lasting_error() or one.state.lasting_error() or ("no answer" if late else None)
            if why:
                raise TimeoutError(f"{self.state.kind} {name} can't be read: {why}")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await one.known.wait()
