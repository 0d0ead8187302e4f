"""The work queue: which stacks want a reconcile, one worker per stack at a time, failures later and later.

The semantics are those of client-go's rate-limited work queue.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from inventory_operator import metrics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from inventory_operator.api.metadata import Key

#: Beyond this many failures the pause no longer doubles; keeps 2**n small.
_MAX_DOUBLINGS = 20


class Queue:
    """Coalescing queue of keys `(namespace, name)`.

    A key added while it waits is not added twice; a key added while it is worked on is queued again afterwards. At most
    `share` keys of a namespace are worked on at the same time, so that slow ones leave workers to the others.
    """

    def __init__(self, backoff_seconds: float, backoff_limit_seconds: float, share: int = sys.maxsize) -> None:
        self._backoff = backoff_seconds
        self._limit = backoff_limit_seconds
        self._share = share
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        #: Keys that were ready, and wait until fewer of their namespace are worked on.
        self._held: dict[str, deque[Key]] = {}
        self._since: dict[Key, float] = {}
        self._busy: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._later: dict[Key, asyncio.TimerHandle] = {}

    def add(self, key: Key) -> None:
        """Ask for a reconcile of `key` as soon as a worker is free."""
        if key in self._since:
            return
        self._since[key] = time.monotonic()
        if key not in self._busy:
            self._ready.put_nowait(key)
        metrics.QUEUE_DEPTH.set(len(self._since))

    def add_all(self, keys: Iterable[Key]) -> None:
        """Ask for a reconcile of each of `keys`."""
        for key in keys:
            self.add(key)

    def add_later(self, key: Key, seconds: float) -> None:
        """Ask for a reconcile of `key` after a pause; only the latest such request counts."""
        if pending := self._later.pop(key, None):
            pending.cancel()
        self._later[key] = asyncio.get_running_loop().call_later(seconds, self._due, key)

    def _due(self, key: Key) -> None:
        self._later.pop(key, None)
        self.add(key)

    def retry(self, key: Key) -> float:
        """Ask for a reconcile after a failure; returns the pause in seconds, longer each time, with jitter."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        longest = min(self._limit, self._backoff * 2.0 ** min(failures, _MAX_DOUBLINGS))
        pause = longest * random.uniform(0.8, 1.2)  # noqa: S311
        self.add_later(key, pause)
        return pause

    def forget(self, key: Key) -> None:
        """Forget earlier failures of `key`, after a success."""
        self._failures.pop(key, None)
        if pending := self._later.pop(key, None):
            pending.cancel()

    async def work(self, reconcile: Callable[[Key], Awaitable[None]]) -> None:
        """Be one worker, for ever. `reconcile` handles its own errors: one that escapes ends the worker."""
        while True:
            key = await self._ready.get()
            if sum(busy[0] == key[0] for busy in self._busy) >= self._share:
                self._held.setdefault(key[0], deque()).append(key)
                continue
            self._busy.add(key)
            metrics.QUEUE_SECONDS.observe(time.monotonic() - self._since.pop(key))
            metrics.QUEUE_DEPTH.set(len(self._since))
            try:
                await reconcile(key)
            finally:
                self._busy.discard(key)
                if key in self._since:
                    self._ready.put_nowait(key)
                self._release(key[0])

    def _release(self, namespace: str) -> None:
        """Let the next held key of a namespace be ready."""
        if held := self._held.get(namespace):
            self._ready.put_nowait(held.popleft())
            if not held:
                del self._held[namespace]
