"""Exactly one operator writes: leadership by a Lease, as client-go's leader election does it.

When the Lease is lost `hold` returns, and the process ends.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any

import structlog

from inventory_operator.api.metadata import FIELD_MANAGER
from inventory_operator.kube.client import TRANSIENT, ApiError, Cluster
from inventory_operator.kube.kinds import LEASES
from inventory_operator.kube.timestamps import micro_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from inventory_operator.settings import Settings

log = structlog.get_logger(__name__)


class Lease:
    """The Lease `inventory-operator` in the operator's namespace; a single-namespace install has its own."""

    def __init__(self, cluster: Cluster, settings: Settings) -> None:
        """Use `cluster` for nothing else, and close it."""
        self._cluster = cluster
        self._settings = settings
        self._path = LEASES.path(settings.lease_namespace)
        self._seen: tuple[Any, ...] = ()
        self._seen_at = 0.0
        self._held_at: float | None = None

    async def hold(self, acquired: Callable[[], None]) -> None:
        """Try to get the Lease, call `acquired` once it is ours, keep it; return only when it is lost."""
        s = self._settings
        while True:
            held = await self._try()
            now = time.monotonic()
            if held:
                if self._held_at is None:
                    log.info("leading", lease=f"{s.lease_namespace}/{FIELD_MANAGER}", identity=s.identity)
                    acquired()
                self._held_at = now
            elif self._held_at is not None and (held is False or now - self._held_at > s.renew_deadline_seconds):
                log.error("the Lease is lost", identity=s.identity)
                return
            await asyncio.sleep(s.retry_seconds * random.uniform(0.8, 1.2))  # noqa: S311

    async def release(self) -> None:
        """Hand over at once instead of letting the Lease run out."""
        if self._held_at is None:
            return
        lease = await self._cluster.get(LEASES, FIELD_MANAGER, self._settings.lease_namespace)
        if lease and lease["spec"].get("holderIdentity") == self._settings.identity:
            lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": micro_timestamp()}
            await self._cluster.request("PUT", f"{self._path}/{FIELD_MANAGER}", lease)

    async def close(self) -> None:
        """Close its connection."""
        await self._cluster.close()

    async def _try(self) -> bool | None:
        """Return True when the Lease is ours now, False when it is another's, None when that can't be known."""
        try:
            async with asyncio.timeout(self._settings.retry_seconds * 2):
                lease = await self._cluster.get(LEASES, FIELD_MANAGER, self._settings.lease_namespace)
                if not self._free_or_mine(lease):
                    return False
                await self._write(lease)
                return True
        except ApiError as error:
            # A conflict is somebody else's write between our read and ours: look again.
            log.warning("the Lease could not be renewed", error=str(error))
        except TRANSIENT as error:
            log.warning("the Lease could not be renewed", error=str(error) or type(error).__name__)
        return None

    def _free_or_mine(self, lease: dict[str, Any] | None) -> bool:
        """Judge by our own clock only, from when we saw the last change: clocks of two machines differ."""
        spec = lease.get("spec", {}) if lease else {}
        holder = spec.get("holderIdentity")
        if (holder, spec.get("renewTime")) != self._seen:
            self._seen, self._seen_at = (holder, spec.get("renewTime")), time.monotonic()
        duration = spec.get("leaseDurationSeconds", self._settings.lease_seconds)
        return not holder or holder == self._settings.identity or time.monotonic() - self._seen_at > duration

    async def _write(self, lease: dict[str, Any] | None) -> None:
        identity, old = self._settings.identity, lease.get("spec", {}) if lease else {}
        mine = old.get("holderIdentity") == identity
        spec = {
            "holderIdentity": identity,
            "leaseDurationSeconds": self._settings.lease_seconds,
            "renewTime": micro_timestamp(),
            "acquireTime": old["acquireTime"] if mine else micro_timestamp(),
            "leaseTransitions": old.get("leaseTransitions", 0) + (0 if mine else 1),
        }
        if lease:
            # The resource version makes it one winner.
            await self._cluster.request("PUT", f"{self._path}/{FIELD_MANAGER}", lease | {"spec": spec})
        else:
            metadata = {"name": FIELD_MANAGER, "namespace": self._settings.lease_namespace}
            body = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": spec}
            await self._cluster.request("POST", self._path, body)
