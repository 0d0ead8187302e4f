"""The running cluster and a namespace of its own for each test, beside a demo on the same cluster."""

from __future__ import annotations

import itertools
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from tests.framework import evidence
from tests.framework.api import Api, eventually
from tests.framework.database import Databases
from tests.framework.kube import Kube
from tests.framework.operators import USER, Audit

from devcluster import install, paths, targets
from devcluster.errors import ClusterError
from devcluster.kubectl import Kubectl

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager

    from devcluster.targets import Target

CLOUDNATIVEPG = Path(__file__).parents[1] / "integration/cloudnativepg-crd.yaml"
_numbers = itertools.count(1)
#: More than a cluster that runs needs to say that its node is ready.
SECONDS_TO_ANSWER = 60.0


@pytest.fixture(scope="session")
def target() -> Target:
    return targets.choose(os.environ.get("CLUSTER", ""))


@pytest.fixture(scope="session")
def cluster(target: Target) -> Kube:
    """The administrator's kubectl; fails where there is no cluster."""
    seen = []

    def healthy() -> bool:
        try:
            seen.append(target.status())
        except ClusterError as error:
            seen.append((False, str(error)))
        return seen[-1][0]

    # One that is there may be slow to answer: all workers begin at once.
    with suppress(AssertionError):
        eventually(healthy, "the cluster to answer", SECONDS_TO_ANSWER)
    well, said = seen[-1]
    if not well:
        pytest.fail(f"the cluster tests need a running cluster with our images (make cluster-up images): {said}")
    return Kube(target.kubeconfig())


@pytest.fixture
def namespace(cluster: Kube, live: list[str]) -> Iterator[Kube]:
    """kubectl inside a fresh namespace with the restricted Pod Security level, deleted afterwards."""
    name = f"test-{os.getpid()}-{next(_numbers)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    inside = cluster.inside(name)
    eventually(lambda: inside.get("serviceaccount", "default"), "the default service account")
    live.append(name)
    yield inside
    live.remove(name)
    cluster("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def kubectl(cluster: Kube) -> Kube:
    return cluster


@pytest.fixture(scope="session")
def api(cluster: Kube) -> Api:
    return Api(cluster.kubeconfig)


@pytest.fixture(scope="session")
def installed(cluster: Kube) -> None:
    """The operator in the cluster, of these very sources; `make test` installs it, once for all workers."""
    stale = install.changed(Kubectl(cluster.kubeconfig))
    if stale:
        names = ", ".join(sorted(image.short for image in stale))
        pytest.fail(f"not installed from these sources: {names}; install them with: python3 -m devcluster install")


@pytest.fixture(scope="session")
def live() -> list[str]:
    """The namespaces that this worker's tests have now."""
    return []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what can be seen of a failed test's namespaces, and show a summary with the failure."""
    report = yield
    known = getattr(item, "funcargs", {})
    if report.failed and known.get("live"):
        report.sections.append(("evidence", evidence.keep(known["cluster"], item.nodeid, known["live"])))
    return report


@pytest.fixture(scope="session")
def new_namespace(api: Api, cluster: Kube, live: list[str]) -> Callable[[str], AbstractContextManager[str]]:
    """Make a namespace with the restricted Pod Security level; it goes with everything in it at the end."""

    @contextmanager
    def make(name: str) -> Iterator[str]:
        name = f"test-{name}-{os.getpid()}-{next(_numbers)}"
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        live.append(name)
        try:
            yield name
        except Exception as error:
            # The namespace goes before the report of the failure is made.
            error.add_note(evidence.keep(cluster, os.environ.get("PYTEST_CURRENT_TEST", name), [name]))
            raise
        finally:
            live.remove(name)
            api.delete("Namespace", None, name)

    return make


@pytest.fixture(scope="session")
def postgresql(cluster: Kube) -> Iterator[Databases]:
    """A real PostgreSQL on the node's address, where pods reach it."""
    with Databases() as databases:
        yield databases


@pytest.fixture(scope="session")
def cloudnativepg(api: Api) -> Iterator[None]:
    """The kind that CloudNativePG brings, without its operator: a test writes the Secret in its place."""

    def missing() -> bool:
        return not api.request("GET", "apis/postgresql.cnpg.io/v1").ok

    crd = yaml.safe_load(CLOUDNATIVEPG.read_text())
    eventually(missing, "a cluster without CloudNativePG: these tests would meddle with it")
    api.create(crd)
    yield
    api.delete("CustomResourceDefinition", None, crd["metadata"]["name"])
    eventually(missing, "the kind to go")


@pytest.fixture
def audit() -> Audit:
    """What the operator in the cluster writes, from the API server's audit log."""
    return Audit(paths.AUDIT_LOG, USER.format(namespace=install.NAMESPACE))
