"""Whether the storage classes that claims wait for exist: asked for seldom, and only where a claim has no volume."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from inventory_operator.kube.client import TRANSIENT, ApiError
from inventory_operator.kube.kinds import STORAGE_CLASSES
from inventory_operator.status.volumes import waits_for_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from inventory_operator.kube.client import Cluster
    from inventory_operator.settings import Settings

log = structlog.get_logger(__name__)

Object = dict[str, Any]
#: How long an answer is believed: one that is created then binds the claim, which is seen.
BELIEVED_SECONDS = 20.0


@dataclass(slots=True)
class StorageClasses:
    """Asks the API server for classes, each once in a while whatever the number of stacks."""

    cluster: Cluster
    settings: Settings
    #: Seconds, which only ever grow.
    clock: Callable[[], float] = time.monotonic
    #: By name until when it is believed, and whether it exists.
    _known: dict[str, tuple[float, bool]] = field(default_factory=dict)

    async def missing(self, children: Iterable[Object]) -> frozenset[str]:
        """Return the classes that do not exist, of those that claims among `children` wait for.

        In a single namespace there is no right to ask: then none is said to be missing.
        """
        if not self.settings.clusterwide:
            return frozenset()
        self._known = {name: known for name, known in self._known.items() if known[0] > self.clock()}
        wanted = {name for child in children if (name := waits_for_class(child))}
        return frozenset([name for name in sorted(wanted) if not await self._exists(name)])

    async def _exists(self, name: str) -> bool:
        if name not in self._known:
            try:
                found = await self.cluster.get(STORAGE_CLASSES, name) is not None
            except (ApiError, *TRANSIENT) as error:
                log.warning("a storage class can't be read", storage_class=name, error=str(error))
                found = True
            self._known[name] = (self.clock() + BELIEVED_SECONDS, found)
        return self._known[name][1]
