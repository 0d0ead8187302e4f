"""Makes running Alertmanagers load the configuration that their pods have; it has no reload of its own.

It speaks HTTP with pods, never with the API server, and never changes a file.
"""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import structlog

from inventory_operator.api.metadata import COMPONENT_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from inventory_operator.api.metadata import Key

log = structlog.get_logger(__name__)

PORT = 9093
#: A pod in the same cluster answers in milliseconds; from outside there may be no way at all.
SECONDS = 2.0
#: The kubelet needs up to a second to bring the file after the pod was annotated.
AGAIN_SECONDS = 1.0
#: Nothing answers: the operator may run outside the cluster, or the pod be busy.
LATER_SECONDS = 60.0
_HASH = re.compile(r"^alertmanager_config_hash (\S+)$", re.MULTILINE)


def config_hash(text: str) -> float:
    """Return what `alertmanager_config_hash` is for a configuration: 48 bits of its MD5, little-endian.

    From md5HashAsMetricValue in Alertmanager's config/coordinator.go.
    """
    digest = hashlib.md5(text.encode(), usedforsecurity=False).digest()
    return float(int.from_bytes(digest[:6], "little"))


@dataclass(slots=True)
class _Pod:
    """What is known of one pod: the configuration that it runs, and until when it need not be asked again."""

    running: float | None = None
    quiet_until: float = 0.0


@dataclass(slots=True)
class Reloader:
    """Remembers which pod runs what, so that a reconcile asks each pod once."""

    _pods: dict[Key, dict[str, _Pod]] = field(default_factory=dict)

    async def reload(self, key: Key, text: str | None, children: Iterable[Mapping[str, Any]]) -> float | None:
        """See to it that every Alertmanager among `children` runs `text`; return in how many seconds to look again.

        None when all do, or when there is none that could.
        """
        live = {pod["metadata"]["uid"]: pod for pod in children if _runs(pod)} if text is not None else {}
        before = self._pods.get(key, {})
        pods = self._pods[key] = {uid: before.get(uid, _Pod()) for uid in live}
        wanted = config_hash(text or "")
        pauses = [await _ask(pods[uid], pod, wanted) for uid, pod in live.items()]
        return min((pause for pause in pauses if pause), default=None)

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a stack that is gone."""
        self._pods.pop(key, None)


async def _ask(known: _Pod, pod: Mapping[str, Any], wanted: float) -> float | None:
    if known.running == wanted:
        return None
    if (pause := known.quiet_until - time.monotonic()) > 0:
        return pause
    name, address = pod["metadata"]["name"], pod["status"]["podIP"]
    host = f"[{address}]" if ":" in address else address
    try:
        known.running = await _reloaded(f"http://{host}:{PORT}", wanted)
    except (TimeoutError, aiohttp.ClientError) as error:
        log.warning("Alertmanager can't be asked to reload", pod=name, error=str(error) or type(error).__name__)
        known.quiet_until = time.monotonic() + LATER_SECONDS
        return LATER_SECONDS
    if known.running != wanted:
        return AGAIN_SECONDS
    log.info("Alertmanager runs its configuration", pod=name)
    return None


async def _reloaded(base: str, wanted: float) -> float | None:
    """Return the hash of what runs, after a reload where it was another than `wanted`."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as session:
        running = await _running_hash(session, base)
        if running != wanted:
            async with session.post(f"{base}/-/reload") as answer:
                answer.raise_for_status()
            running = await _running_hash(session, base)
    return running


async def _running_hash(session: aiohttp.ClientSession, base: str) -> float | None:
    async with session.get(f"{base}/metrics") as answer:
        found = _HASH.search(await answer.text())
    return float(found[1]) if found else None


def _runs(pod: Mapping[str, Any]) -> bool:
    metadata, state = pod["metadata"], pod.get("status", {})
    if pod["kind"] != "Pod" or metadata["labels"].get(COMPONENT_LABEL) != "alertmanager":
        return False
    if "deletionTimestamp" in metadata or not state.get("podIP"):
        return False
    return any(one["type"] == "Ready" and one["status"] == "True" for one in state.get("conditions", ()))
