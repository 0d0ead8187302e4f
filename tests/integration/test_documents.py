"""The commands of the pages that need an API server, on one of their own, with an operator and without a node."""

from __future__ import annotations

import itertools
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.framework.api import PATHS, Api, eventually
from tests.framework.documents import PLANE, Block, shell_blocks
from tests.framework.operators import USER, Operator, prepare
from tests.framework.rendered import ROOT
from tests.framework.terminal import Terminal

from devcluster.node.controlplane import ControlPlane

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("documents")

PAGES = shell_blocks(PLANE)
_numbers = itertools.count(1)


def text(page: str) -> str:
    return "\n".join(block.text for block in PAGES[page])


def uninstalls(page: str) -> bool:
    return "delete -k operator/deploy/cluster-wide" in text(page)


def service_monitors() -> dict[str, Any]:
    """The kind that prometheus-operator brings, with any content."""
    names = {"kind": "ServiceMonitor", "plural": "servicemonitors", "singular": "servicemonitor"}
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "servicemonitors.monitoring.coreos.com"},
        "spec": {"group": "monitoring.coreos.com", "names": names, "scope": "Namespaced", "versions": [version]},
    }


def install(plane: ControlPlane, kubectl: Path) -> None:
    """Apply what `prepare` leaves out, too: pages change the operator's Deployment, which makes no pod here."""
    variant = ROOT / "operator/deploy/cluster-wide"
    command = [
        kubectl,
        f"--kubeconfig={plane.kubeconfig}",
        "apply",
        "--server-side",
        "--force-conflicts",
        "-k",
        variant,
    ]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Not the one that other tests share: the pages uninstall the CRD."""
    with ControlPlane(tmp_path_factory.mktemp("documents")) as running:
        Api(running.kubeconfig).apply(service_monitors())
        yield running


@dataclass
class Install:
    """The operator, installed and running; a page may uninstall it, and the next one finds it again."""

    plane: ControlPlane
    kubectl: Path
    operator: Operator
    api: Api | None = None

    def ready(self) -> Api:
        if self.api is None:
            self.api = prepare(self.plane, self.kubectl)
            install(self.plane, self.kubectl)
            self.operator.start()
            eventually(self.operator.leads, "the operator to lead")
        return self.api

    def made(self, namespace: str) -> None:
        """Wait until the objects of the stack are there, if there is one; a Lease may have been lost meanwhile."""
        api = self.ready()

        def made() -> bool:
            self.operator.start_again()
            found = api.request("GET", PATHS["InventoryStack"].format(ns=namespace) + "/shop")
            return not found.ok or bool(api.get("Secret", namespace, "shop-grafana"))

        eventually(made, "the stack's objects")

    def gone(self) -> None:
        if self.api:
            self.operator.stop()
        self.api = None


@pytest.fixture(scope="module")
def installed(plane: ControlPlane, kubectl: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Install]:
    kubeconfig = plane.user_kubeconfig(USER.format(namespace="inventory-system"))
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    made = Install(plane, kubectl, Operator(kubeconfig, log, "--operator-namespace", "inventory-system"))
    yield made
    made.gone()


@pytest.fixture
def namespace(request: pytest.FixtureRequest, installed: Install) -> Iterator[str]:
    """A name for the page's namespace; it is there, and the stack of the example in it, unless the page makes them."""
    page = request.node.callspec.params["page"]
    name = f"documents-{next(_numbers)}"
    api = installed.ready()
    if "create namespace shop" not in text(page):
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        if re.search(r"invstack|shop-|stack=shop", text(page)):
            api.apply(yaml.safe_load((ROOT / "examples/shop.yaml").read_text()), name)
            installed.made(name)
    yield name
    if uninstalls(page):
        installed.gone()


@pytest.mark.parametrize("page", sorted(PAGES, key=lambda page: (uninstalls(page), page)))
def test_the_commands_of_a_page_work(
    page: str, namespace: str, plane: ControlPlane, installed: Install, tmp_path: Path
) -> None:
    with Terminal(plane.kubeconfig, tmp_path, namespace) as terminal:
        if "inventory_service tokens" in text(page):
            terminal.run([Block("", 0, "sh", "python -m inventory_service migrate")])
        for block in PAGES[page]:
            terminal.run([block])
            # A reader, too, waits for the stack that a block makes.
            if "create namespace shop" in text(page) and not uninstalls(page):
                installed.made(namespace)


def test_each_line_of_the_services_table_works(tmp_path: Path) -> None:
    page = ROOT / "docs/service.md"
    server, *_ = PAGES["docs/service.md"]
    lines = page.read_text("utf-8").splitlines()
    table = [
        Block("docs/service.md", number, "sh", found[1])
        for number, line in enumerate(lines, start=1)
        if (found := re.match(r"\| .+ \| `(curl .+)` \|$", line))
    ]
    assert len(table) > 8
    api = Block("docs/service.md", 0, "sh", "api=http://localhost:5000/api")
    with Terminal(tmp_path / "none", tmp_path, "none") as terminal:
        terminal.run([server, api, *table])
