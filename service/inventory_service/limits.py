"""The rate limit: so many requests per client and pod, off unless set.

It counts in the memory of one process and never shares: with N replicas a client may get N times the rate.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from flask import Flask, request
from werkzeug.exceptions import TooManyRequests

from inventory_service.context import came_through_ingress, context

if TYPE_CHECKING:
    from collections.abc import Callable

    from inventory_service.settings import RateLimit

#: More clients than these are not remembered: the one that was idle longest starts afresh.
_MAX_CLIENTS: Final = 10_000


class RateLimiter:
    """A leaky bucket for each client (GCRA): a burst of the whole rate, then evenly."""

    def __init__(self, rate: RateLimit, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = rate.seconds / rate.requests
        self._burst = rate.seconds - self._interval
        self._clock = clock
        self._empty_at: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, client: str) -> float:
        """Count one request; return 0, or the seconds after which the client may come again (not counted then)."""
        with self._lock:
            now = self._clock()
            empty_at = max(self._empty_at.get(client, now), now)
            if empty_at - now > self._burst:
                return empty_at - now - self._burst
            self._empty_at[client] = empty_at + self._interval
            self._empty_at.move_to_end(client)
            if len(self._empty_at) > _MAX_CLIENTS:
                self._empty_at.popitem(last=False)
            return 0.0


def register(app: Flask) -> None:
    """Refuse requests under /api above the rate; health checks, probes and scrapes are never refused."""
    app.before_request(_refuse_above_rate)


def _refuse_above_rate() -> None:
    limiter = context().limiter
    if limiter is None or request.path == "/api/health" or not request.path.startswith("/api/"):
        return
    seconds = limiter.wait(_client())
    if seconds:
        wait = int(seconds) + 1
        raise TooManyRequests(
            f"There were too many requests from your address; come again in {wait} s.", retry_after=wait
        )


def _client() -> str:
    """Return who asks: behind the ingress the last address it forwarded for, the only one a client can't choose."""
    if came_through_ingress():
        forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        if forwarded:
            return forwarded[:64]
    return request.remote_addr or ""
