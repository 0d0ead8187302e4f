"""What each namespace has put into the cache, and how much it may: no tenant fills the operator's memory.

It counts; what is refused, and what follows from that, is the business of who keeps the objects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from inventory_operator import metrics

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger(__name__)

#: What was refused is read again when so much of the limit is used at most: not at each object that comes and goes.
ROOM = 0.9


@dataclass(slots=True)
class Usage:
    """A number of objects and their size as JSON."""

    objects: int = 0
    bytes: int = 0

    def within(self, other: Usage, share: float = 1.0) -> bool:
        """Return whether this is at most a share of the other, in both respects."""
        return self.objects <= other.objects * share and self.bytes <= other.bytes * share


@dataclass(slots=True)
class NamespaceLimits:
    """How much each namespace uses; `allowed` says how much it may. `what` names the objects in the log."""

    what: str
    allowed: Callable[[str], Usage]
    _used: dict[str, Usage] = field(default_factory=dict)
    #: Namespaces that were refused something and have not had room since: each is logged once.
    _full: set[str] = field(default_factory=set)

    def take(self, namespace: str, size: int, before: int | None = None) -> bool:
        """Count one object, which had the size `before` if it was counted already; False where it exceeds the limit.

        What is refused counts no longer.
        """
        if before is not None:
            self.release(namespace, before)
        used = self._used.setdefault(namespace, Usage())
        used.objects += 1
        used.bytes += size
        if used.within(self.allowed(namespace)):
            return True
        self.release(namespace, size)
        metrics.CACHE_REFUSED.inc()
        if namespace not in self._full:
            self._full.add(namespace)
            most = self.allowed(namespace)
            log.warning(
                "a namespace exceeds its share of the cache: the rest of it is not kept",
                namespace=namespace, what=self.what, objects=most.objects, bytes=most.bytes,
            )  # fmt: skip
        return False

    def release(self, namespace: str, size: int) -> None:
        """Count an object no longer."""
        used = self._used[namespace]
        used.objects -= 1
        used.bytes -= size
        if not used.objects:
            del self._used[namespace]

    def has_room(self, namespace: str) -> bool:
        """Return whether it is worth reading again what was refused."""
        room = self._used.get(namespace, Usage()).within(self.allowed(namespace), ROOM)
        if room:
            self._full.discard(namespace)
        return room
