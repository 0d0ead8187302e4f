"""`kubectl inventory` against a real API server, with the rights of its users and no more."""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.framework import processes
from tests.framework.api import Api, eventually, stack
from tests.framework.kubectl_inventory import inventory
from tests.framework.operators import permitted
from tests.framework.rendered import ROOT

from inventory_cli import app

if TYPE_CHECKING:
    from pathlib import Path

    from devcluster.node.controlplane import ControlPlane

pytestmark = [pytest.mark.usefixtures("operator"), pytest.mark.xdist_group("second-operator")]
SPEC = {
    "service": {"database": {"external": {"secretKeyRef": {"name": "db", "key": "url"}}}},
    "grafana": {"dashboards": [{"name": "boards", "key": "a.json"}]},
}


@pytest.fixture
def shop(api: Api, namespace: str, settled: Any) -> str:
    """The namespace of a stack that the operator has made; its pods never start, for there is no node."""
    api.apply(stack("shop", {}), namespace)
    settled(namespace)
    return namespace


def test_status_and_explain_tell_of_a_stack(capsys, control_plane: ControlPlane, shop: str) -> None:
    access = ("-n", shop, "--kubeconfig", control_plane.kubeconfig)
    ended = inventory(capsys, "status", "shop", *access)
    assert (ended.code, ended.err) == (1, "")
    assert f"{shop}/shop" in ended.out
    assert "Ready: False" in ended.out
    assert "PrometheusAvailable: False" in ended.out
    found = json.loads(inventory(capsys, "status", *access, "-o", "json").out)
    assert [(one["name"], one["ready"], one["podsShown"]) for one in found] == [("shop", False, True)]
    everywhere = inventory(capsys, "status", "--all-namespaces", "--kubeconfig", control_plane.kubeconfig, "-o", "yaml")
    assert (shop, "shop") in {(one["namespace"], one["name"]) for one in yaml.safe_load(everywhere.out)}
    ended = inventory(capsys, "explain", "shop", *access)
    assert ended.code == 1
    assert f"{shop}/shop is not Ready" in ended.out
    assert "What to do: " in ended.out
    assert "Next: kubectl " in ended.out
    assert app.complete(["status", "--kubeconfig", str(control_plane.kubeconfig), "-n", shop, "sh"]) == 0
    assert capsys.readouterr().out == "shop\n:4\n"


def test_watch_prints_a_stack_again_when_it_changed_until_an_interrupt(
    control_plane: ControlPlane, api: Api, shop: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "inventory_cli", "status", "shop", "--watch", "-n", shop]
    command.append(f"--kubeconfig={control_plane.kubeconfig}")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "operator"), "PYTHONUNBUFFERED": "1"}
    with out.open("wb") as file, processes.running(command, stdout=file, stderr=file, env=environment) as process:
        eventually(lambda: "Stalled" in out.read_text() or process.poll() is not None, "the tree")
        assert "(paused" not in out.read_text()
        api.patch("InventoryStack", shop, "shop", {"spec": {"paused": True}})
        eventually(lambda: "(paused" in out.read_text() or process.poll() is not None, "the tree of what changed")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert "Traceback" not in out.read_text()


def test_a_report_has_everything_but_secrets(
    capsys, control_plane: ControlPlane, api: Api, namespace: str, settled: Any, tmp_path: Path
) -> None:
    value = "postgresql://shop:hunter2x@db/shop"
    encoded = base64.b64encode(value.encode()).decode()
    api.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "data": {"url": encoded}}, namespace)
    api.apply(stack("shop", SPEC), namespace)
    settled(namespace)
    # Where people put what belongs nowhere else.
    pasted = {"metadata": {"annotations": {"note": f"the URL is {value}, its password hunter2x"}}}
    api.patch("Deployment", namespace, "shop-inventory", pasted)
    login = api.get("Secret", namespace, "shop-grafana")["data"]["admin-password"]
    api.patch("InventoryStack", namespace, "shop", {"metadata": {"annotations": {"login": login}}})
    file = tmp_path / "shop.tar.gz"
    words = ("report", "shop", "-n", namespace, "--kubeconfig", control_plane.kubeconfig, "--output-file", file)
    ended = inventory(capsys, *words)
    assert (ended.code, ended.err) == (0, "")
    assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(file) as archive:
        found = {entry.name.partition("/")[2]: archive.extractfile(entry).read().decode() for entry in archive}
    assert {
        "stack.yaml",
        "pods.yaml",
        "deployments.yaml",
        "events.yaml",
        "versions.yaml",
        "missing.txt",
    } <= found.keys()
    assert "kind: InventoryStack" in found["stack.yaml"]
    assert "the URL is REDACTED" in found["deployments.yaml"]
    everything = "\n".join(found.values())
    for secret in (value, encoded, login, base64.b64decode(login).decode(), "hunter2x"):
        assert secret not in everything
    assert "secrets.yaml" not in found
    again = inventory(capsys, *words)
    assert (again.code, again.err) == (1, f"error: {file}: can't be written: File exists\n")


def test_what_is_not_there_or_not_permitted_is_one_sentence(
    capsys, control_plane: ControlPlane, shop: str, tmp_path: Path
) -> None:
    access = ("-n", shop, "--kubeconfig", control_plane.kubeconfig)
    for command in ("status", "explain"):
        ended = inventory(capsys, command, "nobody", *access)
        assert ended.code == 1
        assert ended.err.startswith(f'error: InventoryStack "nobody" not found in namespace {shop}: ')
    without_rights = control_plane.user_kubeconfig("without-rights")
    ended = inventory(capsys, "status", "shop", "-n", shop, "--kubeconfig", without_rights)
    assert (ended.code, ended.out) == (3, "")
    assert "your rights do not suffice" in ended.err
    for name, text in {"text": "no kubeconfig", "list": "[1]", "broken": "a: [", "other": "a: 1"}.items():
        (tmp_path / name).write_text(text)
    for kubeconfig in (tmp_path / "none", tmp_path, *(tmp_path / name for name in ("text", "list", "broken", "other"))):
        ended = inventory(capsys, "status", "-n", shop, "--kubeconfig", kubeconfig)
        assert (ended.code, ended.out) == (3, "")
        assert ended.err.startswith("error: no usable Kubernetes credentials in ")
        assert len(ended.err.splitlines()) == 1
    ended = inventory(capsys, "status", "shop", *access, "--context", "no-such-context")
    assert ended.code == 3
    assert len(ended.err.splitlines()) == 1
    down = yaml.safe_load(control_plane.kubeconfig.read_text())
    for one in down["clusters"]:
        one["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "down").write_text(yaml.safe_dump(down))
    ended = inventory(capsys, "status", "-n", shop, "--kubeconfig", tmp_path / "down")
    assert ended.code == 3
    assert "no usable answer from the API server" in ended.err


def test_the_rights_that_rbac_prints_are_enough_and_none_is_too_many(
    capsys, api: Api, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    file = tmp_path / "shop.yaml"
    wanted = stack("shop", SPEC)
    file.write_text(yaml.safe_dump(wanted))
    ended = inventory(capsys, "rbac", "-f", file, "-n", namespace, "--user", "ada", "--inspect", "-o", "json")
    assert ended.code == 0
    role, binding = json.loads(ended.out)["items"]
    for obj in (role, binding):
        api.create(obj, namespace)
    eventually(lambda: permitted(api, "ada", "create", "inventorystack.dev/inventorystacks", namespace), "the Role")
    kubeconfig = control_plane.user_kubeconfig("ada")
    ada = Api(kubeconfig)
    ada.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "data": {"url": "eA=="}}, namespace)
    ada.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "boards"}, "data": {}}, namespace)
    ada.apply(wanted, namespace)
    assert inventory(capsys, "status", "shop", "-n", namespace, "--kubeconfig", kubeconfig).code == 1
    # Nothing of others, and nothing that the stack consists of can be changed.
    api.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "others"}}, namespace)
    for method, path in (
        ("GET", f"api/v1/namespaces/{namespace}/secrets/others"),
        ("GET", f"api/v1/namespaces/{namespace}/secrets"),
        ("DELETE", f"apis/apps/v1/namespaces/{namespace}/deployments/shop-prometheus"),
        ("DELETE", f"apis/inventorystack.dev/v1alpha1/namespaces/{namespace}/inventorystacks/other"),
        ("DELETE", f"api/v1/namespaces/{namespace}/secrets/db"),
    ):
        assert ada.request(method, path).status_code == 403, path
    ada.delete("InventoryStack", namespace, "shop")


def test_who_may_only_change_the_stack_sees_it_and_has_a_plan_all_the_same(
    capsys, api: Api, control_plane: ControlPlane, shop: str, tmp_path: Path
) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(yaml.safe_dump(stack("shop", {"service": {"image": "registry.example.com/service:2"}})))
    ended = inventory(capsys, "rbac", "-f", file, "-n", shop, "--group", "shopkeepers", "-o", "json")
    for obj in json.loads(ended.out)["items"]:
        api.create(obj, shop)
    access = ("-n", shop, "--kubeconfig", control_plane.user_kubeconfig("bob", ["shopkeepers"]))

    def shown() -> list[dict[str, Any]]:
        ended = inventory(capsys, "status", "shop", *access, "-o", "json")
        found: list[dict[str, Any]] = json.loads(ended.out) if ended.out else []
        return found

    (found,) = eventually(shown, "the Role")
    assert (found["name"], found["podsShown"]) == ("shop", False)
    ended = inventory(capsys, "plan", "-f", file, *access, "-o", "json")
    assert (ended.code, ended.err) == (0, "")
    foretold = json.loads(ended.out)
    assert foretold["by"] == "rendered against live"
    changed = {(one["name"], one["effect"]) for one in foretold["changes"] if one["effect"] != "unchanged"}
    assert changed == {("shop-inventory", "restarted")}


def test_without_inspect_nothing_but_the_spec_is_granted(capsys) -> None:
    ended = inventory(capsys, "rbac", "-f", ROOT / "examples/shop.yaml", "-n", "shop", "-o", "json")
    (role,) = json.loads(ended.out)["items"]
    assert {resource for rule in role["rules"] for resource in rule["resources"]} == {"inventorystacks"}
    assert [rule.get("resourceNames") for rule in role["rules"]] == [None, ["shop"]]
