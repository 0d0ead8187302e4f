"""A control plane, an operator with exactly its own rights on it, and an administrator who makes stacks.

It acts and waits; it measures nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from bench.engine.audit import AuditLog
from kubernetes.aio import client, config
from tests.framework.operators import ROOT, USER, Operator, kustomized

from devcluster.build.binaries import binary
from devcluster.errors import ClusterError
from devcluster.node.controlplane import ControlPlane
from inventory_operator.api import metadata as meta
from inventory_operator.kube.auth import Connection
from inventory_operator.kube.client import Cluster
from inventory_operator.kube.kinds import CHILDREN, STACKS, Resource
from inventory_operator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from bench.engine.audit import Write

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
    #: Signed in as the operator, with as many connections as it has.
    bare: Cluster
    audit: AuditLog
    #: Not started yet.
    operator: Operator

    async def make_stacks(self, count: int) -> list[dict[str, Any]]:
        """Create empty stacks, `spec: {}`, as fast as the API server takes them."""
        path = STACKS.path(NAMESPACE)
        kind = {"apiVersion": STACKS.api_version, "kind": STACKS.kind, "spec": {}}
        stacks = [kind | {"metadata": {"name": f"stack-{n}"}} for n in range(count)]
        return list(await asyncio.gather(*(self.admin.request("POST", path, stack) for stack in stacks)))

    async def settle(self, stacks: int) -> None:
        """Wait until every stack has a status of its own and nothing was written for a while."""
        while True:
            self.check_operator()
            found, _ = await self.admin.list(STACKS, NAMESPACE)
            if sum("conditions" in stack.get("status", {}) for stack in found) == stacks:
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

    async def start(self) -> None:
        """Start the operator and wait until it leads."""
        await asyncio.to_thread(self.operator.start)
        while not await asyncio.to_thread(self.operator.leads):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)

    def check_operator(self) -> None:
        """Raise ClusterError when the operator ended: a machine that is too busy costs it its Lease."""
        process = self.operator.process
        if process is None or process.poll() is not None:
            raise ClusterError(f"the operator ended: {self.operator.log.read_text()[-2000:]}")

    def written(self) -> list[Write]:
        """Return what the operator, or the bare client in its name, wrote since the last reading."""
        return [write for write in self.audit.read() if write.user == OPERATOR]


@contextlib.asynccontextmanager
async def plane(folder: Path, **environment: str) -> AsyncIterator[Plane]:
    """Run etcd and an API server with CRD and roles installed, and nothing in it; end all of it.

    `environment` is added to the operator's.
    """
    with ControlPlane(folder / "plane", controller_manager=False) as running:
        operator = Operator(
            running.user_kubeconfig(OPERATOR), folder / "operator.log", "--operator-namespace", HOME, **environment
        )
        async with contextlib.AsyncExitStack() as clients:
            admin = Cluster(await _connect(running.kubeconfig), concurrency=16)
            clients.push_async_callback(admin.close)
            bare = Cluster(await _connect(running.user_kubeconfig(OPERATOR)), Settings().concurrency)
            clients.push_async_callback(bare.close)
            await _install(admin)
            with operator.ending():
                yield Plane(admin, bare, AuditLog(running.audit_log), operator)


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
