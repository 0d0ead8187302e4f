"""What the operator finds out about Grafana and its dashboards, with their real ConfigMap and Secret.

A stand-in answers what a real Grafana 12.3 answered, another one for a Prometheus that has all series but those of one
metric; the queries meet a real Prometheus in tests/contract/test_panels_live.py.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.framework.api import LABEL, Api, condition, eventually, stack
from tests.framework.operators import USER, Operator, prepare
from tests.framework.recorded_grafana import WELL, RecordedGrafana
from tests.framework.webserver import Request, Response, WebServer

from devcluster.node.controlplane import ControlPlane
from inventory_operator.verification.ask import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Addresses of this machine that no other test uses: the ports of pods can't be chosen.
GRAFANA, READER, SERVICE = "127.9.30.2", "127.9.90.2", "127.9.50.2"
SPEC = {
    "containerMetrics": "none",
    "alerting": {"enabled": False},
    "networkPolicy": {"enabled": False},
    "prometheus": {"scrapeInterval": "5s"},
}
MISSING = "no_such_metric"
HEALTH = "/api/datasources/uid/prometheus/health"


def prometheus(request: Request) -> Response:
    """Answer a query: there is everything but one metric, and nothing that an excuse asks for."""
    query = request.args.get("query", "")
    found = [] if MISSING in query or query.startswith("absent(") else [{"metric": {}, "value": [0, "1"]}]
    data = {"resultType": "vector", "result": found}
    return Response(json.dumps({"status": "success", "data": data}), content_type="application/json")


class Shop:
    """The stack in the namespace `two`."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def runs(self, component: str, address: str) -> str:
        """Play the kubelet for the one pod of a component; return its name."""
        selector = f"{LABEL}=shop,app.kubernetes.io/component={component}"
        (pod,) = eventually(lambda: self.api.list("Pod", "two", selector), f"the pod of the {component}")
        ready = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
        status = {**ready, "conditions": [{"type": "Ready", "status": "True"}]}
        self.api.patch("Pod", "two", pod["metadata"]["name"], {"status": status}, subresource="status")
        return str(pod["metadata"]["name"])

    def told(self, check: str, reason: str) -> str:
        """Wait until a check has this reason; return its message."""

        def message() -> str:
            status = (self.api.get("InventoryStack", "two", "shop") or {}).get("status", {})
            found = {one["check"]: one for one in status.get("verification", {}).get("checks", ())}
            one = found.get(check, {})
            return str(one["message"]) if one.get("reason") == reason else ""

        return eventually(message, f"{check} to say {reason}")


@pytest.fixture
def plane(tmp_path: Path, kubectl: Path) -> Iterator[tuple[ControlPlane, Api]]:
    with ControlPlane(tmp_path / "plane") as control_plane:
        api = prepare(control_plane, kubectl)
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "two"}})
        yield control_plane, api


def test_grafana_and_its_dashboards_are_looked_at(plane: tuple[ControlPlane, Api], tmp_path: Path) -> None:
    control_plane, api = plane
    kubeconfig = control_plane.user_kubeconfig(USER.format(namespace="inventory-system"))
    home = ("--operator-namespace", "inventory-system", "--probe-pods")
    shop, grafana = Shop(api), RecordedGrafana()
    with (
        Operator(kubeconfig, tmp_path / "operator.log", *home),
        WebServer(GRAFANA, grafana.respond, 3000),
        WebServer(READER, prometheus, 9090),
    ):
        api.create(stack(spec=SPEC), "two")
        config_map = eventually(lambda: api.get("ConfigMap", "two", "shop-grafana"), "the dashboards")
        uids = [json.loads(text)["uid"] for key, text in config_map["data"].items() if key.endswith(".json")]
        grafana.answers["/api/search"] = Reply(200, json.dumps([{"uid": uid} for uid in uids]).encode())
        shop.runs("prometheus", READER)
        # Nobody answers there, which other checks tell; while a pod is missing what is wrong is told later.
        shop.runs("service", SERVICE)
        pod = shop.runs("grafana", GRAFANA)
        assert shop.told("GrafanaConnected", "GrafanaConnected").endswith("has all 5 dashboards")
        assert "queries of panels return series" in shop.told("DashboardsLive", "DashboardsLive")
        secret = api.get("Secret", "two", "shop-grafana")
        assert secret
        login = ":".join(base64.b64decode(secret["data"][key]).decode() for key in ("admin-user", "admin-password"))
        assert grafana.asked[-1][1] == f"Basic {base64.b64encode(login.encode()).decode()}"
        a_panel_is_broken_by_hand(api, shop, config_map)
        the_password_is_changed_by_hand(api, shop, grafana, pod)
    assert condition(api.get("InventoryStack", "two", "shop"), "Verified")["status"] != "True"
    assert login.partition(":")[2] not in (tmp_path / "operator.log").read_text()


def a_panel_is_broken_by_hand(api: Api, shop: Shop, config_map: dict[str, Any]) -> None:
    """In a stack that is paused: else the operator repairs it."""
    api.patch("InventoryStack", "two", "shop", {"spec": {"paused": True}})
    paused = "Reconciling", "Paused"
    eventually(lambda: condition(api.get("InventoryStack", "two", "shop"), paused[0])["reason"] == paused[1], "a pause")
    key = "inventory-overview.json"
    board = json.loads(config_map["data"][key])
    panel = next(one for one in board["panels"] if one["title"] == "Requests")
    panel["targets"][0]["expr"] = f'sum({MISSING}{{namespace=~"$namespace"}})'
    api.patch("ConfigMap", "two", "shop-grafana", {"data": {key: json.dumps(board)}})
    message = shop.told("DashboardsLive", "MetricMissing")
    assert message.startswith('panel "Requests" of "Inventory overview", query A: there are no series of the metric')
    assert MISSING in message
    api.patch("ConfigMap", "two", "shop-grafana", {"data": {key: config_map["data"][key]}})
    shop.told("DashboardsLive", "DashboardsLive")


def the_password_is_changed_by_hand(api: Api, shop: Shop, grafana: RecordedGrafana, pod: str) -> None:
    """Five wrong tries lock the account: the operator makes one."""
    grafana.answers[HEALTH] = "wrong-password"
    grafana.asked.clear()
    assert f"delete pod {pod}" in shop.told("GrafanaConnected", "WrongPassword")
    refused = len(grafana.asked)
    grafana.answers = {**WELL, "/api/search": grafana.answers["/api/search"]}
    api.patch("InventoryStack", "two", "shop", {"metadata": {"annotations": {"example.com/looked": "at"}}})
    assert refused == 1
    api.delete("Pod", "two", pod)
    shop.runs("grafana", GRAFANA)
    shop.told("GrafanaConnected", "GrafanaConnected")
