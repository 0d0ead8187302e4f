"""Whom `/metrics` tells of which stacks: pods of a stack of that one, who may get `/metrics` of the cluster of all.

The second is asked of the API server by TokenReview and SubjectAccessReview, as controller-runtime does it.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import structlog

from inventory_operator.kube.client import TRANSIENT, ApiError, Cluster

if TYPE_CHECKING:
    from inventory_operator.api.metadata import Key
    from inventory_operator.cache.store import Store

log = structlog.get_logger(__name__)

#: For how long a token that was allowed is not reviewed again, and how many of them are known: those of the cluster's
#: Prometheus servers. The API server itself keeps reviews for as long (--authentication-token-webhook-cache-ttl).
ALLOWED_SECONDS = 60.0
ALLOWED_TOKENS = 100
#: For how long an address whose token was refused has to wait, so that guessing costs the API server little.
PAUSE_SECONDS = 1.0
#: Addresses that wait; with more of them nobody's token is reviewed until one is through.
PAUSED_ADDRESSES = 1_000
#: For both reviews, and the wait for a turn.
REVIEW_SECONDS = 5.0
#: Tokens under review at once, whatever their addresses: the requests to the API server are shared with all other work.
REVIEWS = 4
#: Between two log lines, whoever asks how often.
SILENT_SECONDS = 60.0
_ENDED = frozenset({"Succeeded", "Failed"})
Object = dict[str, Any]


class RefusedError(Exception):
    """A token that is not enough; `status` is the HTTP status, the message a sentence for whoever sent it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class MetricsAccess:
    """Judges who asks; tokens are kept as digests only."""

    def __init__(self, cluster: Cluster, store: Store) -> None:
        self._cluster = cluster
        self._store = store
        #: Until when a token may read all, by its digest; after that it is reviewed again, but waits for no other.
        self._allowed: dict[bytes, float] = {}
        #: Until when an address has to wait.
        self._paused: dict[str, float] = {}
        #: One review at a time for each address.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._reviews = asyncio.Semaphore(REVIEWS)
        #: Until when no line more is logged.
        self._silent = 0.0

    def is_of(self, address: str, key: Key) -> bool:
        """Return whether a pod of this stack has the address: one that runs, and has it for itself.

        Only the kubelet writes addresses, and only into pods of its node.
        """
        asking = _plain(address)
        return asking is not None and any(
            asking in _addresses(child.obj) for (kind, _), child in self._store.of(key).items() if kind == "Pod"
        )

    async def check_all(self, address: str, authorization: str) -> None:
        """Return where the token in an `Authorization` header may read all stacks; RefusedError where not, or not now.

        A token that was never allowed costs the API server at most one review per address and second.
        """
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise RefusedError(401, "Authorization: expected Bearer and a token of a service account")
        digest = hashlib.sha256(token.encode()).digest()
        async with self._turns.setdefault(address, asyncio.Lock()):
            now = time.monotonic()
            if self._allowed.get(digest, 0.0) > now:
                return
            self._paused = {one: until for one, until in self._paused.items() if until > now}
            waits = address in self._paused or len(self._paused) >= PAUSED_ADDRESSES
            if waits and digest not in self._allowed:
                raise RefusedError(429, "a token was refused a moment ago: ask again in a second")
            # Whatever comes of it, and whoever gives up waiting: the next one from here has to wait.
            self._paused[address] = now + REVIEW_SECONDS + PAUSE_SECONDS
            try:
                await self._review(token)
            except RefusedError as error:
                if error.status in {401, 403}:
                    self._allowed.pop(digest, None)
                self._paused[address] = time.monotonic() + PAUSE_SECONDS
                raise
            self._paused.pop(address, None)
            self._remember(digest)

    def _remember(self, digest: bytes) -> None:
        now = time.monotonic()
        known = {one: until for one, until in self._allowed.items() if one != digest}
        for oldest in sorted(known, key=known.__getitem__)[: max(len(known) + 1 - ALLOWED_TOKENS, 0)]:
            del known[oldest]
        self._allowed = known | {digest: now + ALLOWED_SECONDS}

    async def _review(self, token: str) -> None:
        try:
            async with asyncio.timeout(REVIEW_SECONDS), self._reviews:
                found = await self._ask("authentication.k8s.io", "TokenReview", {"token": token})
                if not found.get("authenticated"):
                    raise RefusedError(401, "the API server does not accept this token")
                user = found.get("user") or {}
                who = {"user": user.get("username"), "uid": user.get("uid"), "groups": user.get("groups")}
                asked = {"nonResourceAttributes": {"path": "/metrics", "verb": "get"}, "extra": user.get("extra")}
                allowed = await self._ask("authorization.k8s.io", "SubjectAccessReview", who | asked)
        except (ApiError, *TRANSIENT) as error:
            why = str(error) or type(error).__name__
            if time.monotonic() > self._silent:
                self._silent = time.monotonic() + SILENT_SECONDS
                log.warning("a token sent to /metrics could not be reviewed", error=why)
            raise RefusedError(503, "the API server did not review the token: see the operator's log") from None
        if not allowed.get("allowed"):
            raise RefusedError(403, f"{user.get('username')} may not get /metrics (a nonResourceURL)")

    async def _ask(self, group: str, kind: str, spec: Object) -> Object:
        path = f"/apis/{group}/v1/{kind.lower()}s"
        body = {"apiVersion": f"{group}/v1", "kind": kind, "spec": spec}
        status: Object = (await self._cluster.request("POST", path, body)).get("status") or {}
        return status


def _addresses(pod: Object) -> set[str]:
    """Return the addresses that a pod shares with nobody, as long as it runs."""
    status = pod.get("status", {})
    if pod.get("spec", {}).get("hostNetwork") or status.get("phase") in _ENDED:
        return set()
    found = (_plain(one.get("ip", "")) for one in status.get("podIPs") or [])
    return {one for one in found if one is not None}


def _plain(address: str) -> str | None:
    """Return an address as one text, whatever it was written like: IPv4 also where it came in at an IPv6 socket."""
    try:
        found = ip_address(address)
    except ValueError:
        return None
    return str(found.ipv4_mapped or found if isinstance(found, IPv6Address) else found)
