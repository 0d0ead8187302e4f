"""The control plane without a node: many at a time, users with certificates, restarts, and it dies with its parent."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.framework import processes
from tests.framework.api import PATIENCE

from devcluster import paths
from devcluster.errors import ClusterError
from devcluster.kubectl import Kubectl, wait_until
from devcluster.node import servers
from devcluster.node.controlplane import ControlPlane

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("control-plane")

NAMES = ("etcd", "kube-apiserver", "kube-controller-manager")


def config_map(name: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> ControlPlane:
    with ControlPlane(tmp_path_factory.mktemp("plane")) as plane:
        yield plane


def test_objects_survive_a_restart_of_the_api_server(plane: ControlPlane) -> None:
    kubectl = Kubectl(plane.kubeconfig)
    kubectl.apply(config_map("kept"))
    plane.restart_apiserver()
    assert kubectl.json("-n", "default", "get", "configmap", "kept")["metadata"]["name"] == "kept"


def test_the_controllers_collect_orphans(plane: ControlPlane) -> None:
    kubectl = Kubectl(plane.kubeconfig)
    kubectl.apply(config_map("owner"))
    owner = kubectl.json("-n", "default", "get", "configmap", "owner")
    child = config_map("child")
    uid = owner["metadata"]["uid"]
    child["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}]
    kubectl.apply(child)
    kubectl("-n", "default", "delete", "configmap", "owner")
    wait_until(lambda: not kubectl.succeeds("-n", "default", "get", "configmap", "child"), "the child to go", PATIENCE)


def test_a_user_has_a_name_and_groups_and_no_rights(plane: ControlPlane) -> None:
    user = Kubectl(plane.user_kubeconfig("system:serviceaccount:shop:bob", ["devs"]))
    info = user.json("auth", "whoami")["status"]["userInfo"]
    assert info["username"] == "system:serviceaccount:shop:bob"
    assert "devs" in info["groups"]
    with pytest.raises(ClusterError, match="forbidden"):
        user("get", "secrets", "-A")


def test_the_audit_log_has_writes_and_no_reads(plane: ControlPlane) -> None:
    kubectl = Kubectl(plane.kubeconfig)
    kubectl.apply(config_map("audited"))
    kubectl("-n", "default", "get", "configmaps")

    def events() -> list[dict]:
        # The API server may be in the middle of a line.
        return [json.loads(line) for line in plane.audit_log.read_text().splitlines(keepends=True) if line[-1] == "\n"]

    def audited() -> bool:
        mine = [it for it in events() if it["user"]["username"] == "admin"]
        return any(it["objectRef"].get("name") == "audited" and it["verb"] in {"patch", "create"} for it in mine)

    wait_until(audited, "the write to be in the log", PATIENCE)
    assert not {it["verb"] for it in events()} & {"get", "list", "watch"}


def test_several_run_at_a_time(tmp_path: Path) -> None:
    def version(number: int) -> str:
        with ControlPlane(tmp_path / str(number), controller_manager=False) as plane:
            return Kubectl(plane.kubeconfig)("get", "--raw", "/version")

    with ThreadPoolExecutor(2) as pool:
        assert all("gitVersion" in said for said in pool.map(version, range(2)))
    assert not servers.find(NAMES, [tmp_path])


def test_it_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "devcluster", "control-plane", "--dir", str(tmp_path / "plane")]
    with processes.running(command, cwd=paths.REPO, stdout=subprocess.PIPE, text=True) as process:
        assert "export KUBECONFIG=" in process.stdout.readline()
        # A server has its own name in the process table only when setpriv, which starts it, has become the server.
        wait_until(
            lambda: {it.name for it in servers.find(NAMES, [tmp_path])} == set(NAMES), "all three servers", PATIENCE
        )
        process.kill()
        process.wait()
        wait_until(lambda: not servers.find(NAMES, [tmp_path]), "the servers to die with their parent", PATIENCE)
