"""`kubectl inventory verify`: a real service and a real Prometheus, asked through a real API server's proxy of pods."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.framework.api import Api, stack
from tests.framework.kubectl_inventory import inventory
from tests.framework.machine_pods import SPEC, own_address, prometheus, runs_at, service_pod
from tests.framework.server import serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.framework.webserver import Request

    from devcluster.node.controlplane import ControlPlane

# One address for the pods of this machine, and their ports can't be chosen.
pytestmark = [pytest.mark.usefixtures("operator"), pytest.mark.xdist_group("operator")]


class Loss:
    """Loses each hundredth request of the known traffic, once it is switched on."""

    def __init__(self) -> None:
        self.on = False
        self._numbers = itertools.count(1)

    def __call__(self, request: Request) -> bool:
        return self.on and request.path.startswith("/inventory-verify") and next(self._numbers) % 100 == 0


def verified(capsys: pytest.CaptureFixture[str], *access: object) -> dict[str, Any]:
    """Run it with five seconds of traffic; its exit code has to fit what it found."""
    ended = inventory(capsys, "verify", "shop", *access, "--load", "5s", "-o", "json")
    assert ended.out, ended.err
    found: dict[str, Any] = json.loads(ended.out)
    bad = [one for one in found["checks"] if one["status"] in {"Failed", "Unknown"}]
    assert ended.code == int(bool(bad or any(one["problem"] for one in found["load"])))
    return found


def test_known_traffic_is_found_to_the_request_and_a_lost_count_is_noticed(
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
    ended = inventory(capsys, "verify", "shop", *access, "--load", "5s")
    assert (ended.code, ended.out) == (1, "")
    assert "needs a ready pod of the service and of Prometheus" in ended.err
    files = api.get("ConfigMap", namespace, "shop-prometheus")["data"]
    environment = {"DATABASE_URL": f"sqlite:///{tmp_path}/shop.db", "LOAD_SAMPLE_DATA": "true"}
    with serving(tmp_path / "service.log", **environment) as service:
        loss = Loss()
        with (
            service_pod(address, service, loss),
            prometheus(tmp_path, address, files, control_plane.kubeconfig),
        ):
            pod = runs_at(api, namespace, "service", address)
            runs_at(api, namespace, "prometheus", address)
            found = verified(capsys, *access)
            assert found["load"] == [{"pod": pod, "sent": 100, "pods": 100, "prometheus": 100, "problem": None}]
            checks = {one["check"]: one["status"] for one in found["checks"]}
            assert checks["MetricsExposed"] == checks["ServiceScraped"] == "Passed"
            loss.on = True
            found = verified(capsys, *access)
            assert found["load"][0]["pods"] == 99
            assert "its metrics have 99 of 100 requests with status 404" in found["load"][0]["problem"]
            ended = inventory(capsys, "verify", "shop", *access)
            assert "MetricsExposed: Passed" in ended.out
    without_rights = control_plane.user_kubeconfig("without-rights")
    assert inventory(capsys, "verify", "shop", "-n", namespace, "--kubeconfig", without_rights).code == 3


@pytest.mark.parametrize("text", ["soon", "0s", "11m", "1h", "-5s"])
def test_a_duration_that_is_none_is_a_wrong_argument(capsys: pytest.CaptureFixture[str], text: str) -> None:
    ended = inventory(capsys, "verify", "shop", f"--load={text}")
    assert ended.code == 2
    assert "expected a duration like 60s" in ended.err
