"""A control plane, an operator with exactly its own rights on it, and an administrator who makes and breaks stacks.

It acts and waits; it measures nothing but the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
import yaml
from bench.engine.audit import AuditLog
from kubernetes.aio import client, config
from tests.framework.operators import ROOT, USER, Operator, kustomized

from devcluster.build.binaries import binary
from devcluster.node.controlplane import ControlPlane
from inventory_operator.api import metadata as meta
from inventory_operator.kube.auth import Connection
from inventory_operator.kube.client import Cluster
from inventory_operator.kube.kinds import CHILDREN, STACKS, Resource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HOME = "inventory-system"
NAMESPACE = "bench"
OPERATOR = USER.format(namespace=HOME)
#: This long without a write of the operator is the end of what it was doing.
QUIET_SECONDS = 3.0
_PLURALS = {
    "Namespace": "namespaces",
    "CustomResourceDefinition": "customresourcedefinitions",
    "ClusterRole": "clusterroles",
}


@dataclass(slots=True)
class Plane:
    """Everything a measurement works with."""

    admin: Cluster
    audit: AuditLog
    operator: Operator

    async def make_stacks(self, names: list[str]) -> None:
        """Create empty stacks, `spec: {}`, as fast as the API server takes them."""
        path = STACKS.path(NAMESPACE)
        stacks = [
            {"apiVersion": STACKS.api_version, "kind": STACKS.kind, "metadata": {"name": name}, "spec": {}}
            for name in names
        ]
        await asyncio.gather(*(self.admin.request("POST", path, stack) for stack in stacks))

    async def settle(self, stacks: int) -> None:
        """Wait until every stack has a status of its own and nothing was written for a while."""
        while True:
            found, _ = await self.admin.list(STACKS, NAMESPACE)
            if sum("observedGeneration" in stack.get("status", {}) for stack in found) == stacks:
                break
            await asyncio.sleep(0.2)
        watcher = AuditLog(self.audit.path)
        while True:
            watcher.skip()
            await asyncio.sleep(QUIET_SECONDS)
            if not watcher.read():
                return

    async def children(self) -> int:
        """Return how many children all stacks have together."""
        kinds = [kind for kind in CHILDREN if not kind.optional]
        lists = await asyncio.gather(*(self.admin.list(kind, labelSelector=meta.STACK_LABEL) for kind in kinds))
        return sum(len(objects) for objects, _ in lists)

    async def restart(self) -> None:
        """Stop the operator as a rollout does, start it again and wait until it leads."""
        await asyncio.to_thread(self.operator.stop)
        await self.start()

    async def start(self) -> None:
        """Start the operator and wait until it leads."""
        await asyncio.to_thread(self.operator.start)
        while not await asyncio.to_thread(self.operator.leads):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)

    @property
    def process(self) -> psutil.Process:
        """The operator's process."""
        assert self.operator.process
        return psutil.Process(self.operator.process.pid)

    def memory(self) -> float:
        """Return the operator's resident memory in MB (10**6 bytes)."""
        return float(self.process.memory_info().rss / 1e6)

    async def idle_cpu(self, seconds: float) -> float:
        """Wait and return the CPU seconds per minute that the operator used meanwhile."""
        before, began = sum(self.process.cpu_times()[:2]), time.monotonic()
        await asyncio.sleep(seconds)
        return float((sum(self.process.cpu_times()[:2]) - before) / (time.monotonic() - began) * 60)


@contextlib.asynccontextmanager
async def plane(folder: Path, *, controllers: bool) -> AsyncIterator[Plane]:
    """Run a control plane with CRD and roles installed and an operator that leads; end all of it."""
    with ControlPlane(folder / "plane", controller_manager=controllers) as running:
        admin = Cluster(await _connect(running.kubeconfig), concurrency=16)
        flags = ("--operator-namespace", HOME, "--resync-seconds", "20")
        operator = Operator(running.user_kubeconfig(OPERATOR), folder / "operator.log", *flags)
        result = Plane(admin, AuditLog(running.audit_log), operator)
        try:
            await _install(admin)
            await result.start()
            yield result
        finally:
            if operator.process:
                operator.stop()
            await admin.close()


async def _connect(kubeconfig: Path) -> Connection:
    configuration = client.Configuration()
    await config.load_kube_config(str(kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
    tls = ssl.create_default_context(cafile=configuration.ssl_ca_cert, cadata=configuration.ca_cert_data)
    assert configuration.cert_file
    tls.load_cert_chain(configuration.cert_file, configuration.key_file)
    return Connection(configuration.host, configuration, tls)


async def _install(admin: Cluster) -> None:
    namespace: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    crd = yaml.safe_load((ROOT / "crds/inventorystacks.yaml").read_text())
    for obj in (*kustomized(binary("kubectl"), "cluster-wide"), namespace):
        await admin.request("POST", _collection(obj), obj)
    while True:
        found = await admin.request("GET", f"{_collection(crd)}/{crd['metadata']['name']}")
        conditions = found.get("status", {}).get("conditions") or ()  # null before the first one
        if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
            return
        await asyncio.sleep(0.1)


def _collection(obj: dict[str, Any]) -> str:
    plural = _PLURALS.get(obj["kind"]) or next((r.plural for r in CHILDREN if r.kind == obj["kind"]), "")
    return Resource(obj["apiVersion"], obj["kind"], plural).path(obj["metadata"].get("namespace"))
