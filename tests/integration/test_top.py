"""`kubectl inventory top`: a real service and a real Prometheus, asked through a real API server's proxy of pods."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.framework.api import Api, eventually, stack
from tests.framework.kubectl_inventory import inventory
from tests.framework.machine_pods import SPEC, own_address, prometheus, runs_at, service_pod
from tests.framework.server import serving

if TYPE_CHECKING:
    from pathlib import Path

    from devcluster.node.controlplane import ControlPlane

# One address for the pods of this machine, and their ports can't be chosen.
pytestmark = [pytest.mark.usefixtures("operator"), pytest.mark.xdist_group("operator")]


def test_top_shows_what_prometheus_has(
    capsys: pytest.CaptureFixture[str],
    api: Api,
    control_plane: ControlPlane,
    namespace: str,
    settled: Any,
    tmp_path: Path,
) -> None:
    api.apply(stack("shop", SPEC), namespace)
    settled(namespace)
    address, access = own_address(), ("-n", namespace, "--kubeconfig", control_plane.kubeconfig)
    ended = inventory(capsys, "top", "shop", *access)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"error: Prometheus of stack {namespace}/shop is not ready: ")
    files = api.get("ConfigMap", namespace, "shop-prometheus")["data"]
    runs_at(api, namespace, "prometheus", address)
    # Nothing listens there yet.
    ended = inventory(capsys, "top", "shop", *access, "-o", "json")
    assert (ended.code, ended.out) == (1, "")
    assert "answers with 50" in ended.err
    environment = {"DATABASE_URL": f"sqlite:///{tmp_path}/shop.db", "LOAD_SAMPLE_DATA": "true"}
    with serving(tmp_path / "service.log", **environment) as service, service_pod(address, service):
        runs_at(api, namespace, "service", address)
        with prometheus(tmp_path, address, files, control_plane.kubeconfig):

            def measured() -> dict[str, Any] | None:
                service.get("/api/products")
                ended = inventory(capsys, "top", "shop", *access, "-o", "json")
                assert ended.code == 0, ended.err
                found: dict[str, Any] = json.loads(ended.out)
                numbers = found["stack"]
                return found if numbers["products"] and numbers["requestsPerSecond"] is not None else None

            found = eventually(measured, "the numbers of the stack")
            assert found
            assert found["stack"]["targetsUp"] == 1
            assert found["stack"]["pieces"] > 0
            assert found["lowestStock"][0]["product"]
            assert found["containers"] == []
            ended = inventory(capsys, "top", "shop", *access, "--once")
            assert ended.code == 0
            assert f"{namespace}/shop" in ended.out
            assert found["lowestStock"][0]["product"] in ended.out
    without_rights = control_plane.user_kubeconfig("without-rights")
    assert inventory(capsys, "top", "shop", "-n", namespace, "--kubeconfig", without_rights).code == 3
