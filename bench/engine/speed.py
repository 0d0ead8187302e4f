"""How fast all children of all stacks are made: by the operator, and by a bare client that sends the same requests.

Both in turn, each on a control plane of its own, with the ConfigMap of Grafana as it is and as large as it once was.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from bench.engine.plane import HOME, NAMESPACE, OPERATOR, Plane, plane
from tests.framework.operators import ROOT

from inventory_operator.api import metadata as meta
from inventory_operator.api.stack import parse
from inventory_operator.controller.generated_secrets import is_generated, split_values, with_values
from inventory_operator.kube.field_ownership import with_applied_hash
from inventory_operator.kube.kinds import NAMESPACES
from inventory_operator.manifests.render import RenderInputs, render
from inventory_operator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inventory_operator.kube.client import Cluster

#: The JSON of Grafana's ConfigMap, in bytes, when dashboards still said what Grafana takes anyway.
LARGE = 174_000
_DASHBOARDS = Path("templates/grafana/config/reload")
_PADDING = "padding.json"


@dataclass(frozen=True, slots=True)
class Burst:
    """One burst: what was made, and the seconds from the first request to the last answer, Events left out."""

    children: int
    seconds: float
    writes: dict[str, int]
    refused: int

    @property
    def speed(self) -> float:
        """Return children per second."""
        return self.children / self.seconds


@dataclass(slots=True)
class Rounds:
    """Bursts of the operator and of the bare client with one size of Grafana's ConfigMap, in bytes of its JSON."""

    config_map: int
    operator: list[Burst]
    bare: list[Burst]


async def measure(stacks: int, rounds: int) -> list[Rounds]:
    """Return the bursts with the ConfigMap as it is and with a large one; all four take turns in each round."""
    small = _config_map_bytes(_rendered({"metadata": {"name": "stack-0", "namespace": NAMESPACE, "uid": "0"}}, "0"))
    found = [Rounds(small, [], []), Rounds(LARGE, [], [])]
    for _ in range(rounds):
        for one in found:
            padding = _padding(one.config_map - small)
            with _sources(padding) as environment:
                one.operator.append(await _by_operator(stacks, environment))
            one.bare.append(await _by_bare_client(stacks, padding))
    return found


async def _by_operator(stacks: int, environment: dict[str, str]) -> Burst:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with plane(Path(folder), **environment) as at:
            await at.start()
            at.audit.skip()
            await at.make_stacks(stacks)
            await at.settle(stacks)
            return await _burst(at)


async def _by_bare_client(stacks: int, padding: str) -> Burst:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with plane(Path(folder)) as at:
            namespace = await at.admin.get(NAMESPACES, NAMESPACE)
            assert namespace
            objects = []
            for stack in await at.make_stacks(stacks):
                objects += _rendered(stack, namespace["metadata"]["uid"])
            for obj in objects:
                if padding and _is_dashboards(obj):
                    obj["data"][_PADDING] = padding
            # A binding is refused before its role is there.
            bindings = [obj for obj in objects if obj["kind"].endswith("RoleBinding")]
            others = [obj for obj in objects if not obj["kind"].endswith("RoleBinding")]
            at.audit.skip()
            await _send(at.bare, others)
            await _send(at.bare, bindings)
            return await _burst(at)


async def _burst(at: Plane) -> Burst:
    everything = at.audit.read()
    ours = [write for write in everything if write.user == OPERATOR]
    began = min(write.received for write in everything)
    ended = max(write.answered for write in ours if write.sort != "event")
    refused = sum(write.code >= 400 for write in ours)  # noqa: PLR2004
    return Burst(await at.children(), ended - began, dict(Counter(write.sort for write in ours)), refused)


async def _send(bare: Cluster, objects: list[dict[str, Any]]) -> None:
    """Apply all objects, as many at a time as there are connections; generated Secrets are created, as always."""
    waiting = iter([split_values(obj) for obj in objects])

    async def work() -> None:
        for values, manifest in waiting:
            hashed = with_applied_hash(manifest)
            await (bare.apply(hashed) if values is None else bare.create(hashed | {"data": values}))

    await asyncio.gather(*(work() for _ in range(Settings().concurrency)))


def _rendered(stack: dict[str, Any], namespace_uid: str) -> list[dict[str, Any]]:
    """Return what the operator would apply for a stack as the API server returned it."""
    metadata = stack["metadata"]
    inputs = RenderInputs(Settings().service_image, operator_namespace=HOME, namespace_uid=namespace_uid)
    identity = meta.Stack(metadata["namespace"], metadata["name"], metadata["uid"])
    objects = render(identity, parse({"spec": {}} | stack), inputs)
    return [with_values(one) if is_generated(one) else one for one in objects]


def _is_dashboards(obj: dict[str, Any]) -> bool:
    return (obj["kind"], obj["metadata"]["labels"][meta.COMPONENT_LABEL]) == ("ConfigMap", "grafana")


def _config_map_bytes(objects: list[dict[str, Any]]) -> int:
    """Return the size of Grafana's ConfigMap as it is sent."""
    return next(len(orjson.dumps(obj)) for obj in objects if _is_dashboards(obj))


def _padding(size: int) -> str:
    """Return text that takes `size` bytes in JSON, as dashboards do: every quote is escaped."""
    text = (ROOT / _DASHBOARDS / "inventory-overview.json").read_text("utf-8") * 10
    while size and len(orjson.dumps(text)) > size:
        text = text[: len(text) * size // len(orjson.dumps(text))]
    return text if size else ""


@contextmanager
def _sources(padding: str) -> Iterator[dict[str, str]]:
    """Yield the environment of an operator whose templates have the padding, too: a copy of all that it is."""
    if not padding:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for name in ("operator", "templates"):
            shutil.copytree(ROOT / name, Path(folder) / name)
        (Path(folder) / _DASHBOARDS / _PADDING).write_text(padding, "utf-8")
        yield {"PYTHONPATH": str(Path(folder) / "operator")}
