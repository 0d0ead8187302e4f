"""A control plane without a node for the whole session, with the CRD and the operator's own roles on it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from tests.framework.api import Api, eventually, is_taken_in
from tests.framework.operators import USER, Audit, Operator, prepare

from devcluster.build.binaries import binary
from devcluster.node.controlplane import ControlPlane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def kubectl() -> Path:
    return binary("kubectl")


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("control-plane")) as running:
        yield running


@pytest.fixture(scope="session")
def api(control_plane: ControlPlane, kubectl: Path) -> Api:
    return prepare(control_plane, kubectl)


@pytest.fixture(scope="session")
def operator_kubeconfig(control_plane: ControlPlane) -> Path:
    """Signs in as the service account of operator/deploy/cluster-wide: its rights, and no more."""
    return control_plane.user_kubeconfig(USER.format(namespace="inventory-system"))


@pytest.fixture(scope="session")
def operator(api: Api, operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """The cluster-wide operator that most tests share, those of two groups; those that stop it start another.

    A control plane takes CPU time as long as its worker lives, so only two workers have this one.
    """
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with Operator(operator_kubeconfig, log, "--operator-namespace", "inventory-system") as running:
        eventually(running.leads, "the operator to lead")
        yield running


@pytest.fixture
def audit(control_plane: ControlPlane, api: Api) -> Audit:
    log = Audit(control_plane.audit_log, USER.format(namespace="inventory-system"), api)
    log.mark()
    return log


@pytest.fixture
def namespace(api: Api) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"test-{next(_numbers)}"
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    for stack in api.list("InventoryStack", name):
        api.delete("InventoryStack", name, stack["metadata"]["name"])
    api.delete("Namespace", None, name)


@pytest.fixture
def settled(api: Api) -> Callable[..., dict[str, Any]]:
    """Wait until the operator has taken in the newest generation of a stack; return the stack.

    A write that failed and is tried again (a request that took too long, a conflict) is waited for, too.
    """

    def wait(namespace: str, name: str = "shop") -> dict[str, Any]:
        def seen() -> dict[str, Any] | None:
            stack = api.get("InventoryStack", namespace, name)
            return stack if is_taken_in(stack) else None

        found = eventually(seen, f"stack {namespace}/{name} to be observed")
        assert found is not None
        return found

    return wait
