"""The running cluster and a namespace of its own for each test; a demo on the same cluster is never touched."""

from __future__ import annotations

import itertools
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from tests.framework.api import Api
from tests.framework.database import Databases
from tests.framework.kube import Kube, wait_for
from tests.framework.operators import USER, Audit

from devcluster import install, paths, targets
from devcluster.errors import ClusterError
from devcluster.kubectl import Kubectl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from devcluster.targets import Target

CLOUDNATIVEPG = Path(__file__).parents[1] / "integration/cloudnativepg-crd.yaml"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def target() -> Target:
    return targets.choose(os.environ.get("CLUSTER", ""))


@pytest.fixture(scope="session")
def cluster(target: Target) -> Kube:
    """The administrator's kubectl; fails, never skips, where there is no cluster."""
    try:
        healthy, said = target.status()
    except ClusterError as error:
        healthy, said = False, str(error)
    if not healthy:
        pytest.fail(f"the cluster tests need a running cluster with our images (make cluster-up images): {said}")
    return Kube(target.kubeconfig())


@pytest.fixture
def namespace(cluster: Kube) -> Iterator[Kube]:
    """kubectl inside a fresh namespace with the restricted Pod Security level, deleted afterwards."""
    name = f"test-{os.getpid()}-{next(_numbers)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    inside = cluster.inside(name)
    wait_for(lambda: inside.get("serviceaccount", "default"), "the default service account")
    yield inside
    cluster("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def kubectl(cluster: Kube) -> Kube:
    return cluster


@pytest.fixture(scope="session")
def api(cluster: Kube) -> Api:
    return Api(cluster.kubeconfig)


@pytest.fixture(scope="session")
def installed(target: Target, cluster: Kube) -> None:
    """The operator in the cluster, of the images that were built last; one that is there already is used."""
    install.install(Kubectl(cluster.kubeconfig), target.load(), target.environment)


@pytest.fixture(scope="session")
def new_namespace(api: Api) -> Callable[[str], AbstractContextManager[str]]:
    """Make a namespace with the restricted Pod Security level; it goes with everything in it at the end."""

    @contextmanager
    def make(name: str) -> Iterator[str]:
        name = f"test-{name}-{os.getpid()}-{next(_numbers)}"
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        try:
            yield name
        finally:
            api.delete("Namespace", None, name)

    return make


@pytest.fixture(scope="session")
def postgresql(cluster: Kube) -> Iterator[Databases]:
    """A real PostgreSQL on the node's address, where pods reach it."""
    with Databases() as databases:
        yield databases


@pytest.fixture(scope="session")
def cloudnativepg(api: Api) -> Iterator[None]:
    """The kind that CloudNativePG brings, and nobody who acts on it: a test writes the Secret in its place."""

    def missing() -> bool:
        return not api.request("GET", "apis/postgresql.cnpg.io/v1").ok

    crd = yaml.safe_load(CLOUDNATIVEPG.read_text())
    wait_for(missing, "a cluster without CloudNativePG: these tests would meddle with it", 20)
    api.create(crd)
    yield
    api.delete("CustomResourceDefinition", None, crd["metadata"]["name"])
    wait_for(missing, "the kind to go", 60)


@pytest.fixture
def audit() -> Audit:
    """What the operator in the cluster writes, from the API server's audit log."""
    return Audit(paths.AUDIT_LOG, USER.format(namespace=install.NAMESPACE))
