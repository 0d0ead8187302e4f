"""Makes running Alertmanagers load the configuration that their pods have; it has no reload of its own."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from inventory_operator.api.metadata import COMPONENT_LABEL
from inventory_operator.components.blocker import Blocker, Turn
from inventory_operator.components.pod_http import PodClient, PodRequestError
from inventory_operator.kube.pods import controlled_by, is_ready, working_pods

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from inventory_operator.api.metadata import Key, Stack

log = structlog.get_logger(__name__)

Object = dict[str, Any]
NAME = "alertmanager"
FILE = "alertmanager.yml"
PORT = 9093
#: First and longest pause between two tries: the kubelet brings the file up to a second after the pod was annotated.
AGAIN_SECONDS, LONGEST_SECONDS = 1.0, 20.0
#: Tries, and so 15 s, after which the status tells of it: until then a network policy may still be taking effect.
TOLD_AFTER = 5
_HASH = re.compile(rb"^alertmanager_config_hash (\d{1,20}(?:\.\d{1,20})?(?:e\+\d{1,2})?)$", re.MULTILINE)


def config_hash(text: str) -> float:
    """Return what `alertmanager_config_hash` is for a configuration: 48 bits of its MD5, little-endian.

    From md5HashAsMetricValue in Alertmanager's config/coordinator.go.
    """
    digest = hashlib.md5(text.encode(), usedforsecurity=False).digest()
    return float(int.from_bytes(digest[:6], "little"))


@dataclass(slots=True)
class _Pod:
    """What is known of one pod: the configuration that it is to run, and what came of asking for that."""

    wanted: float
    runs_it: bool = False
    tries: int = 0
    not_before: float = 0.0
    problem: str = ""


@dataclass(slots=True)
class Reloader:
    """Remembers which pod runs what, so that a reconcile asks each pod once."""

    _client: PodClient = field(default_factory=PodClient)
    _pods: dict[Key, dict[str, _Pod]] = field(default_factory=dict)
    port: int = PORT
    #: Seconds, which only ever grow.
    clock: Callable[[], float] = time.monotonic

    async def __call__(
        self, stack: Stack, applied: Iterable[Mapping[str, Any]], live: Iterable[Object]
    ) -> tuple[list[Blocker], float | None]:
        """See to it that every Alertmanager runs the applied configuration; see AfterApply for what is returned."""
        text = next((one["data"][FILE] for one in applied if _is_config(one)), None)
        # A configuration that was not applied can't be asked for.
        pods = _running(stack, list(live)) if text is not None else []
        wanted, key = config_hash(text or ""), (stack.namespace, stack.name)
        before = self._pods.get(key, {})
        known = self._pods[key] = {pod["metadata"]["uid"]: _Pod(wanted) for pod in pods}
        known |= {uid: one for uid, one in before.items() if uid in known and one.wanted == wanted}
        await asyncio.gather(*(self._ask(known[pod["metadata"]["uid"]], pod) for pod in pods))
        late = {pod["metadata"]["name"]: one for pod in pods if not (one := known[pod["metadata"]["uid"]]).runs_it}
        blockers = [self._blocker(name, one) for name, one in late.items() if one.tries >= TOLD_AFTER]
        return blockers, min(map(self._pause, late.values()), default=None)

    def forget(self, stack: Key) -> None:
        """Drop what is remembered of a stack that is gone."""
        self._pods.pop(stack, None)

    async def _ask(self, known: _Pod, pod: Object) -> None:
        if known.runs_it or self._pause(known):
            return
        name = pod["metadata"]["name"]
        try:
            known.runs_it = await self._reloaded(pod, known.wanted)
            known.problem = "still runs another one"
        except PodRequestError as error:
            known.problem = str(error)
            log.warning("Alertmanager can't be asked to reload", pod=name, error=known.problem)
        if known.runs_it:
            log.info("Alertmanager runs its configuration", pod=name)
        pause = min(LONGEST_SECONDS, AGAIN_SECONDS * 2.0**known.tries)
        known.not_before = self.clock() + pause
        known.tries = min(known.tries + 1, TOLD_AFTER)

    def _pause(self, known: _Pod) -> float:
        return max(0.0, known.not_before - self.clock())

    def _blocker(self, name: str, known: _Pod) -> Blocker:
        message = f"Pod {name} does not load its configuration: it {known.problem}"
        return Blocker(("Pod", name), NAME, "ReloadFailed", message, Turn.WAITING, self._pause(known))

    async def _reloaded(self, pod: Object, wanted: float) -> bool:
        """Return whether a pod runs what is wanted, after a reload where it ran something else."""
        async with self._client.conversation(pod, self.port) as talk:
            if _running_hash(await talk.ask("GET", "/metrics")) == wanted:
                return True
            await talk.ask("POST", "/-/reload")
            return _running_hash(await talk.ask("GET", "/metrics")) == wanted


def _running_hash(metrics: bytes) -> float | None:
    found = _HASH.search(metrics)
    return float(found[1]) if found else None


def _component(obj: Mapping[str, Any]) -> str | None:
    component: str | None = obj["metadata"]["labels"].get(COMPONENT_LABEL)
    return component


def _is_config(obj: Mapping[str, Any]) -> bool:
    return (obj["kind"], _component(obj)) == ("ConfigMap", NAME)


def _running(stack: Stack, live: list[Object]) -> list[Object]:
    """Return the newest ready pod of each Alertmanager: one for each Deployment that the stack owns."""
    owned = [one for one in live if one["kind"] == "Deployment" and controlled_by(one, stack.uid)]
    sets = [working_pods(one, live) for one in owned if _component(one) == NAME]
    ready = [[pod for pods in of_one for pod in pods if is_ready(pod)] for of_one in sets]
    return [pods[0] for pods in ready if pods]
