"""The objects that specs refer to by name, as they change: which stack wants which, how many a namespace may have."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from inventory_operator.cache.informer import Timing
from inventory_operator.cache.limits import NamespaceLimits, Usage
from inventory_operator.cache.references import KINDS, NamespaceReferences, Reads, Reference
from inventory_operator.kube.client import ApiError, Cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from inventory_operator.api.metadata import Key

#: Longer than one request may take; a worker waits no longer for an API server that does not answer.
READ_SECONDS = 35.0
#: What the specs of a namespace may refer to together: each name costs a request.
ALLOWED = Usage(objects=300, bytes=16_000_000)
#: kind and name of what a stack refers to in its namespace.
Wanted = tuple[str, str]


class ReferenceLimitError(ApiError):
    """The specs of a namespace refer to more than it may have in memory; in the words of the API server for a quota."""

    def __init__(self, namespace: str, allowed: Usage) -> None:
        message = (
            f"the stacks in namespace {namespace} refer to more than {allowed.objects} Secrets and ConfigMaps, "
            f"or to more than {allowed.bytes:,} bytes in them"
        )
        super().__init__(429, "TooManyReferences", message)


class ReferenceWatcher:
    """Keeps the data of every referenced object; `changed` is called with each stack that a change concerns."""

    def __init__(
        self,
        cluster: Cluster,
        changed: Callable[[Key], None],
        timing: Timing | None = None,
        allowed: Usage = ALLOWED,
    ) -> None:
        limits = NamespaceLimits("referenced objects", lambda _: allowed)
        self._reads = Reads(cluster, timing or Timing(), limits, changed)
        self._allowed = allowed
        #: By kind and namespace.
        self._namespaces: dict[tuple[str, str], NamespaceReferences] = {}

    async def run(self) -> None:
        """Raise what ended a watch by itself: nothing of that kind may go unnoticed."""
        raise await self._reads.defects.get()

    async def want(self, key: Key, objects: Iterable[Wanted]) -> None:
        """Watch exactly these objects for `key`, and wait until what they hold is known.

        Raises:
            TimeoutError: the API server does not answer, or refuses; says which object can't be read, and why.
            ReferenceLimitError: it is more than the namespace may have; what was watched before is still watched.

        """
        wanted = set(objects)
        for kind in KINDS:
            known = self._of(kind, key[0])
            for name in [name for name, one in known.items() if key in one.keys and (kind, name) not in wanted]:
                self._drop(kind, name, key)
        for kind, name in wanted:
            self._watch(kind, name, key)
        deadline = time.monotonic() + READ_SECONDS
        for kind, name in wanted:
            await self._namespaces[kind, key[0]].known(name, deadline)
        if any(self._of(kind, key[0])[name].refused for kind, name in wanted):
            raise ReferenceLimitError(key[0], self._allowed)

    def data(self, kind: str, namespace: str, name: str) -> dict[str, str] | None:
        """Return the data of a wanted object, a Secret's in base64; None where there is no such object."""
        found = self._of(kind, namespace).get(name)
        return found.data if found else None

    def binary_keys(self, kind: str, namespace: str, name: str) -> frozenset[str]:
        """Return the keys under `binaryData` of a wanted ConfigMap."""
        found = self._of(kind, namespace).get(name)
        return found.binary_keys if found else frozenset()

    async def close(self) -> None:
        """End every watch."""
        tasks = [of_kind.task for of_kind in self._namespaces.values()]
        tasks += [one.task for of_kind in self._namespaces.values() for one in of_kind.references.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _of(self, kind: str, namespace: str) -> dict[str, Reference]:
        found = self._namespaces.get((kind, namespace))
        return found.references if found else {}

    def _watch(self, kind: str, name: str, key: Key) -> None:
        namespace = key[0]
        one = self._of(kind, namespace).get(name)
        if one and one.refused:
            # There may be room by now.
            one.known.clear()
            one.look()
        if not one:
            if not self._reads.limits.take(namespace, 0):
                raise ReferenceLimitError(namespace, self._allowed)
            one = Reference((kind, namespace, name), self._reads)
            if (kind, namespace) not in self._namespaces:
                self._namespaces[kind, namespace] = NamespaceReferences(kind, namespace, self._reads)
            self._namespaces[kind, namespace].add(name, one)
        one.keys.add(key)

    def _drop(self, kind: str, name: str, key: Key) -> None:
        of_kind = self._namespaces[kind, key[0]]
        one = of_kind.references[name]
        one.keys.discard(key)
        if not one.keys:
            del of_kind.references[name]
            one.close()
        if not of_kind.references:
            of_kind.task.cancel()
            del self._namespaces[kind, key[0]]
