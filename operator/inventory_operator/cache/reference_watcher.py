"""The objects that specs refer to by name, as they change: one watch for each.

A label selector can't see a user's Secret or ConfigMap, so each name has a watch of its own. Values stay in memory; it
logs none.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from inventory_operator.cache.informer import Informer, Timing
from inventory_operator.cache.limits import NamespaceLimits, Usage
from inventory_operator.kube.client import ApiError, Cluster
from inventory_operator.kube.kinds import CONFIG_MAPS, SECRETS, Resource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Set as AbstractSet

    from inventory_operator.api.metadata import Key

#: Longer than one request may take; a worker waits no longer for an API server that does not answer.
LIST_SECONDS = 35.0
#: How often a worker that waits looks whether the API server refuses.
LOOK_SECONDS = 1.0
#: What the specs of a namespace may refer to together: each name costs a connection.
ALLOWED = Usage(objects=300, bytes=16_000_000)
#: Names of one namespace that are read at the same time: however many there are, what is done for others comes between.
LISTS = 4
#: kind and name of what a stack refers to in its namespace.
Wanted = tuple[str, str]
#: kind, namespace and name.
Name = tuple[str, str, str]
_RESOURCES = {resource.kind: resource for resource in (SECRETS, CONFIG_MAPS)}


class ReferenceLimitError(ApiError):
    """The specs of a namespace refer to more than it may have in memory; in the words of the API server for a quota."""

    def __init__(self, namespace: str, allowed: Usage) -> None:
        message = (
            f"the stacks in namespace {namespace} refer to more than {allowed.objects} Secrets and ConfigMaps, "
            f"or to more than {allowed.bytes:,} bytes in them"
        )
        super().__init__(429, "TooManyReferences", message)


class _Reference:
    """One object that specs refer to: the sink of its informer."""

    def __init__(self, name: Name, watcher: ReferenceWatcher) -> None:
        self.keys: set[Key] = set()
        self.data: dict[str, str] | None = None
        #: Keys whose values are bytes: of these only the names are kept.
        self.binary_keys: frozenset[str] = frozenset()
        #: Whether it exceeds what its namespace may have in memory.
        self.refused = False
        self._size = 0
        self._name = name
        self._watcher = watcher
        resource, selector = _RESOURCES[name[0]], {"fieldSelector": f"metadata.name={name[2]}"}
        #: Shared by all of the namespace, for as long as one of them is there.
        self._lists = watcher.lists_of(name[1])
        informer = Informer(
            watcher.cluster, resource, name[1], self, selector, timing=watcher.timing, lists=self._lists
        )
        self.listed_once, self.state = informer.synced, informer.state
        self.task = asyncio.create_task(informer.follow())
        self.task.add_done_callback(watcher.ended)

    def observe(self, obj: dict[str, Any], *, gone: bool = False) -> None:
        binary = frozenset() if gone else frozenset(obj.get("binaryData", ()))
        self._see(None if gone else obj.get("data", {}), binary)

    def listed(self, resource: Resource, uids: AbstractSet[str], list_version: int) -> None:  # noqa: ARG002 - a Sink
        if not uids:
            self._see(None)

    def wants_list(self, resource: Resource) -> bool:  # noqa: ARG002 - a Sink
        return False

    async def known(self, deadline: float) -> None:
        """Wait until it is known; TimeoutError at the deadline, or once the API server has refused for some seconds."""
        while not self.listed_once.is_set():
            late = time.monotonic() > deadline
            if why := self.state.lasting_error() or ("no answer" if late else None):
                raise TimeoutError(f"{self._name[0]} {self._name[2]} can't be read: {why}")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self.listed_once.wait()

    def close(self) -> None:
        """End the watch."""
        self.task.cancel()
        self._watcher.limits.release(self._name[1], self._size)

    def _see(self, data: dict[str, str] | None, binary: frozenset[str] = frozenset()) -> None:
        size = sum(len(key) + len(value) for key, value in (data or {}).items()) + sum(map(len, binary))
        self.refused = not self._watcher.limits.take(self._name[1], size, self._size)
        if self.refused:
            data, binary, size = None, frozenset(), 0
            # It keeps its place among the names of the namespace.
            self._watcher.limits.take(self._name[1], 0)
        self._size = size
        if (data, binary) != (self.data, self.binary_keys) or self.refused:
            self.data, self.binary_keys = data, binary
            if self.listed_once.is_set():
                for key in self.keys:
                    self._watcher.changed(key)


class ReferenceWatcher:
    """Keeps the data of every referenced object; `changed` is called with each stack that a change concerns."""

    def __init__(
        self,
        cluster: Cluster,
        changed: Callable[[Key], None],
        timing: Timing | None = None,
        allowed: Usage = ALLOWED,
    ) -> None:
        self.cluster = cluster
        self.changed = changed
        self.timing = timing or Timing()
        self.limits = NamespaceLimits("referenced objects", lambda _: allowed)
        self.allowed = allowed
        self._references: dict[Name, _Reference] = {}
        self._lists: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._defects: asyncio.Queue[BaseException] = asyncio.Queue()

    async def run(self) -> None:
        """Raise what ended a watch by itself: nothing of that kind may go unnoticed."""
        raise await self._defects.get()

    async def want(self, key: Key, objects: Iterable[Wanted]) -> None:
        """Watch exactly these objects for `key`, and wait until what they hold is known.

        Raises:
            TimeoutError: the API server does not answer, or refuses; says which object can't be read, and why.
            ReferenceLimitError: it is more than the namespace may have; what was watched before is still watched.

        """
        wanted = {(kind, key[0], name) for kind, name in objects}
        for name in [name for name, one in self._references.items() if key in one.keys and name not in wanted]:
            self._drop(name, key)
        for name in wanted:
            self._watch(name, key)
        deadline = time.monotonic() + LIST_SECONDS
        for name in wanted:
            await self._references[name].known(deadline)
        if any(self._references[name].refused for name in wanted):
            raise ReferenceLimitError(key[0], self.allowed)

    def data(self, kind: str, namespace: str, name: str) -> dict[str, str] | None:
        """Return the data of a wanted object, a Secret's in base64; None where there is no such object."""
        found = self._references.get((kind, namespace, name))
        return found.data if found else None

    def binary_keys(self, kind: str, namespace: str, name: str) -> frozenset[str]:
        """Return the keys under `binaryData` of a wanted ConfigMap."""
        found = self._references.get((kind, namespace, name))
        return found.binary_keys if found else frozenset()

    async def close(self) -> None:
        """End every watch."""
        tasks = [one.task for one in self._references.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def lists_of(self, namespace: str) -> asyncio.Semaphore:
        """Return what bounds how many names of a namespace are read at the same time."""
        return self._lists.setdefault(namespace, asyncio.Semaphore(LISTS))

    def ended(self, task: asyncio.Task[None]) -> None:
        """Note how a watch ended."""
        if not task.cancelled() and (defect := task.exception()):
            self._defects.put_nowait(defect)

    def _watch(self, name: Name, key: Key) -> None:
        known = self._references.get(name)
        if known and known.refused:
            # There may be room by now.
            known.close()
        if not known or known.refused:
            if not self.limits.take(name[1], 0):
                self._references.pop(name, None)
                raise ReferenceLimitError(name[1], self.allowed)
            self._references[name] = _Reference(name, self)
            self._references[name].keys |= known.keys if known else set()
        self._references[name].keys.add(key)

    def _drop(self, name: Name, key: Key) -> None:
        one = self._references[name]
        one.keys.discard(key)
        if not one.keys:
            del self._references[name]
            one.close()
