"""The rate limit: a maximum of requests per client and period, off unless set.

While a shared store is down, requests are served uncounted.
"""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog
from flask import g, request
from limits import RateLimitItemPerSecond
from limits.errors import StorageError
from prometheus_client import Gauge
from werkzeug.exceptions import TooManyRequests

from inventory_service.context import context
from inventory_service.http.client_address import client_address
from inventory_service.http.rate_counters import Counters, MemoryCounters, shared_counters

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry

    from inventory_service.settings import RateLimit, Settings

_log = structlog.get_logger(__name__)

#: How long a store that failed is left alone.
_PAUSE_SECONDS: Final = 5.0
_UNCOUNTED: Final = frozenset({"health", "metrics"})


class Window(NamedTuple):
    """What a client did in the window before and in this one, and for how many seconds each of them is remembered."""

    before: int
    before_seconds: float
    now: int
    now_seconds: float


class RateLimiter:
    """A sliding window over counters in this process or in a store that several pods share.

    What was counted in the window before counts in proportion to how much of it is within the last `rate.seconds`
    (https://limits.readthedocs.io/en/stable/strategies.html): two numbers a client, and no burst at a border.
    """

    def __init__(self, rate: RateLimit, counters: Counters, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._counters = counters
        self._item = RateLimitItemPerSecond(rate.requests, rate.seconds)
        self._clock = clock
        self._lock = threading.Lock()
        #: When a store that failed is asked again; None while it answers.
        self._ask_again_at: float | None = None

    @property
    def up(self) -> bool:
        """Tell whether the counters answered when they were asked last."""
        return self._ask_again_at is None

    def wait(self, client: str) -> int:
        """Count one request; return 0, or after how many seconds the client may come again (not counted then)."""
        if self._paused():
            return 0
        try:
            seconds = self._count(client)
        except StorageError as error:
            self._on_failure(error)
            return 0
        self._on_answer()
        return seconds

    def _count(self, client: str) -> int:
        key, seconds = self._item.key_for(client), self.rate.seconds
        if self._counters.acquire_sliding_window_entry(key, self.rate.requests, seconds):
            return 0
        window = Window(*self._counters.get_sliding_window(key, seconds))
        return math.floor(seconds_until_free(window, self.rate)) + 1

    def _paused(self) -> bool:
        if self._ask_again_at is None:
            return False
        with self._lock:
            now = self._clock()
            if self._ask_again_at is None or now < self._ask_again_at:
                return self._ask_again_at is not None
            # This request asks; the others go on uncounted meanwhile.
            self._ask_again_at = now + _PAUSE_SECONDS
            return False

    def _on_failure(self, error: StorageError) -> None:
        with self._lock:
            first, self._ask_again_at = self._ask_again_at is None, self._clock() + _PAUSE_SECONDS
        if first:
            _log.warning("rate limit store unavailable, nothing is counted", reason=str(error))

    def _on_answer(self) -> None:
        if self._ask_again_at is None:
            return
        with self._lock:
            again, self._ask_again_at = self._ask_again_at is not None, None
        if again:
            _log.info("rate limit store available again")


class RateExceeded(TooManyRequests):
    """The client has to wait; with the headers of draft-ietf-httpapi-ratelimit-headers-10."""

    def __init__(self, rate: RateLimit, seconds: int) -> None:
        super().__init__(f"There were too many requests from you; come again in {seconds} s.", retry_after=seconds)
        self._fields = [
            ("RateLimit-Policy", f'"requests";q={rate.requests};w={rate.seconds}'),
            ("RateLimit", f'"requests";r=0;t={seconds}'),
        ]

    def get_headers(self, *arguments: Any, **named: Any) -> list[tuple[str, str]]:
        """Return the headers with what is allowed and what is left."""
        return [*super().get_headers(*arguments, **named), *self._fields]


def seconds_until_free(window: Window, rate: RateLimit) -> float:
    """Return after how many seconds one more request is allowed, if the client makes none meanwhile."""
    if window.now < rate.requests:
        # The window before fades until what is left of it and this one are less than the rate.
        free = window.before_seconds - (rate.requests - window.now) * rate.seconds / max(window.before, 1)
    else:
        # This window is full: from its end on it fades.
        free = window.now_seconds - rate.seconds
    return max(free, 0.0)


def new_limiter(settings: Settings, registry: CollectorRegistry) -> RateLimiter | None:
    """Return the limiter that the settings ask for."""
    if settings.rate_limit is None:
        return None
    if settings.rate_limit_store is None:
        return RateLimiter(settings.rate_limit, MemoryCounters())
    limiter = RateLimiter(settings.rate_limit, shared_counters(settings.rate_limit_store.get_secret_value()))
    words = "0 while the store of the rate limit doesn't answer and nothing is counted, else 1."
    Gauge("inventory_rate_limit_store_up", words, registry=registry).set_function(lambda: limiter.up)
    return limiter


def refuse_above_rate() -> None:
    """Refuse a request above the rate; health checks, probes, scrapes and static files are never counted."""
    limiter = context().limiter
    if limiter is None or request.blueprint in _UNCOUNTED or (request.endpoint or "").endswith(".static"):
        return
    seconds = limiter.wait(_client())
    if seconds:
        raise RateExceeded(limiter.rate, seconds)


def _client() -> str:
    """Return who asks: a token's name, else the address."""
    actor = g.get("actor")
    return f"token:{actor}" if actor else client_address()
