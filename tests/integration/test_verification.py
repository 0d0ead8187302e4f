"""What the operator finds out about running parts: with a real Prometheus that discovers pods by itself.

The pods are those of a real control plane, which no kubelet runs: a stand-in answers for that of the service.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
import requests
import yaml
from tests.framework import processes
from tests.framework.api import LABEL, Api, condition, eventually, stack
from tests.framework.operators import USER, Operator, prepare
from tests.framework.verification import NOW, PAGE
from tests.framework.webserver import Request, Response, WebServer

from devcluster.build.binaries import binary
from devcluster.node.controlplane import ControlPlane
from inventory_operator.api.metadata import Stack
from inventory_operator.api.stack import parse
from inventory_operator.verification.pods import asking
from inventory_operator.verification.service_scraped import check
from inventory_operator.verification.subject import Subject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from inventory_operator.verification.answer import Answer
    from inventory_operator.verification.targets import Targets

Object = dict[str, Any]
#: Addresses of this machine that no other test uses: the ports of pods can't be chosen.
SERVICE, READER = "127.9.50.1", "127.9.90.1"
SPEC = {
    "containerMetrics": "none",
    "grafana": {"enabled": False},
    "networkPolicy": {"enabled": False},
    "prometheus": {"scrapeInterval": "1s"},
}
KINDS = ("Deployment", "Pod", "ServiceAccount", "Role", "RoleBinding", "PersistentVolumeClaim")


class Service:
    """The pod of the service: it answers with a page, a status, or not before it is let go."""

    def __init__(self) -> None:
        self.page, self.status = PAGE, 200
        self.answers = threading.Event()
        self.answers.set()
        self.server = WebServer(SERVICE, self._answer, 5000)

    def _answer(self, _: Request) -> Response:
        self.answers.wait()
        return Response(self.page, self.status, content_type="text/plain; version=0.0.4")


class Prometheus:
    """A real one with the stack's own job for the service, which looks up pods as the administrator."""

    def __init__(self, folder: Path, kubeconfig: Path, config: Object) -> None:
        self._folder, self._file = folder, folder / "prometheus.yml"
        self.job = next(job for job in config["scrape_configs"] if job["job_name"] == "service")
        (self.discovery,) = self.job["kubernetes_sd_configs"]
        self.discovery["kubeconfig_file"] = str(kubeconfig)
        itself = next(job for job in config["scrape_configs"] if job["job_name"] == "prometheus")
        itself["static_configs"][0]["targets"] = [f"{READER}:9090"]
        self.config = {"global": config["global"], "scrape_configs": [self.job, itself]}

    @contextmanager
    def running(self) -> Iterator[None]:
        self._file.write_text(yaml.safe_dump(self.config))
        command = [
            *(str(binary("prometheus")), f"--config.file={self._file}", f"--storage.tsdb.path={self._folder}/data"),
            *(f"--web.listen-address={READER}:9090", "--web.enable-lifecycle"),
        ]
        with (self._folder / "log").open("a") as log, processes.running(command, stdout=log, stderr=log):
            eventually(self._ready, f"Prometheus, see {self._folder}/log")
            yield

    def _ready(self) -> bool:
        with suppress(requests.ConnectionError):
            return requests.get(f"http://{READER}:9090/-/ready", timeout=10).ok
        return False

    def reload(self) -> None:
        self._file.write_text(yaml.safe_dump(self.config))
        assert requests.post(f"http://{READER}:9090/-/reload", timeout=60).ok


class Shop:
    """The stack, its pods and what is found out about them."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.policies: list[Object] = []

    def runs(self, component: str, address: str) -> None:
        """Play the kubelet for the one pod of a component."""
        selector = f"{LABEL}=shop,app.kubernetes.io/component={component}"
        (pod,) = eventually(lambda: self.api.list("Pod", "one", selector), f"the pod of the {component}")
        ready = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
        status = {**ready, "conditions": [{"type": "Ready", "status": "True"}]}
        self.api.patch("Pod", "one", pod["metadata"]["name"], {"status": status}, subresource="status")

    def status(self) -> Object:
        found: Object = (self.api.get("InventoryStack", "one", "shop") or {}).get("status", {})
        return found

    def verified(self, reason: str) -> Object:
        def told() -> Object:
            one = condition(self.api.get("InventoryStack", "one", "shop"), "Verified")
            return one if one.get("reason") == reason else {}

        return eventually(told, f"Verified to say {reason}")

    def subject(self) -> Subject:
        found = self.api.get("InventoryStack", "one", "shop")
        assert found
        children = [one for kind in KINDS for one in self.api.list(kind, "one", f"{LABEL}=shop")]
        sets = self.api.request("GET", "apis/apps/v1/namespaces/one/replicasets").json()["items"]
        children += [{"kind": "ReplicaSet", **one} for one in sets]
        return Subject(Stack("one", "shop", found["metadata"]["uid"]), parse(found), tuple(children))

    def scraped(self, reason: str) -> tuple[Answer, Targets | None]:
        """Wait until the check has this reason; return all of its answer."""

        async def ask() -> tuple[Answer, Targets | None]:
            async with asking() as pods:
                return await check(self.subject(), pods, NOW, self._policies)

        def told() -> tuple[Answer, Targets | None] | None:
            found = asyncio.run(ask())
            return found if found[0].reason == reason else None

        answer = eventually(told, f"the reason {reason}")
        assert answer
        return answer

    async def _policies(self) -> list[Object]:
        return self.api.list("NetworkPolicy", "one")


@pytest.fixture
def plane(tmp_path: Path, kubectl: Path) -> Iterator[tuple[ControlPlane, Api]]:
    """A control plane of the test's own: its operator asks pods."""
    with ControlPlane(tmp_path / "plane") as control_plane:
        api = prepare(control_plane, kubectl)
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "one"}})
        yield control_plane, api


def test_the_status_tells_what_prometheus_scrapes_and_why_not(plane, tmp_path) -> None:
    control_plane, api = plane
    kubeconfig = control_plane.user_kubeconfig(USER.format(namespace="inventory-system"))
    home = ("--operator-namespace", "inventory-system", "--probe-pods")
    shop, service = Shop(api), Service()
    with Operator(kubeconfig, tmp_path / "operator.log", *home), service.server:
        api.create(stack(spec=SPEC), "one")
        config = eventually(lambda: api.get("ConfigMap", "one", "shop-prometheus"), "the configuration")
        prometheus = Prometheus(tmp_path, control_plane.kubeconfig, yaml.safe_load(config["data"]["prometheus.yml"]))
        with prometheus.running():
            shop.runs("service", SERVICE)
            shop.runs("prometheus", READER)
            told = shop.verified("AllChecksPassed")
            assert told["status"] == "True"
            assert shop.status()["targets"] == {"summary": "1/1", "expected": 1, "up": 1, "others": []}
            checks = {one["check"]: one["status"] for one in shop.status()["verification"]["checks"]}
            passed, skipped = (
                {"MetricsExposed", "ServiceScraped", "ConfigurationLoaded", "BusinessMetrics"},
                {"ContainerMetrics", "HistoryStored", "GrafanaConnected", "DashboardsLive", "AlertsDelivered"},
            )
            assert checks == {**dict.fromkeys(passed, "Passed"), **dict.fromkeys(skipped, "Skipped")}
            assert shop.status()["verification"]["summary"] == "4/4"
            every_reason(api, shop, service, prometheus)
            service.page = PAGE.replace(b"http_requests_total", b"renamed")
            assert "http_requests_total" in shop.verified("MetricMissing")["message"]
            service.page = PAGE
            shop.verified("AllChecksPassed")
        answer, targets = shop.scraped("PrometheusNotAnswering")
        assert "can't be connected to at port 9090" in answer.message
        assert targets is None
    reasons = {one["reason"] for one in api.list("Event", "one") if one["message"].startswith("Verified is ")}
    assert reasons >= {"AllChecksPassed", "MetricMissing"}


def every_reason(api: Api, shop: Shop, service: Service, prometheus: Prometheus) -> None:
    """Break one thing after the other, and mend it again."""
    service.page = PAGE + b"x one\n"
    line = PAGE.count(b"\n") + 1
    assert f"line {line} of /metrics" in shop.scraped("BadExposition")[0].message
    service.page, service.status = PAGE, 403
    assert "answers Prometheus with 403" in shop.scraped("AccessDenied")[0].message
    service.status = 500
    shop.scraped("UnexpectedStatus")
    service.status = 200
    service.answers.clear()
    shop.scraped("Timeout")
    closed = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": 1}]}]}
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "closed"}}
    api.create({**policy, "spec": closed}, "one")
    assert "probably NetworkPolicy closed" in shop.scraped("NetworkPolicyBlocks")[0].message
    api.delete("NetworkPolicy", "one", "closed")
    service.answers.set()
    shop.scraped("ServiceScraped")
    rule = next(one for one in prometheus.job["relabel_configs"] if one["action"] == "keep")
    rule["regex"] = "5003"
    prometheus.reload()
    answer, targets = shop.scraped("DroppedByRelabelling")
    assert "(keep __meta_kubernetes_pod_container_port_number by 5003)" in answer.message
    assert targets
    assert (targets.expected, targets.up, len(targets.others)) == (1, 0, 1)
    rule["regex"] = "5000"
    selector, prometheus.discovery["selectors"] = prometheus.discovery["selectors"], [{"role": "pod", "label": "a=b"}]
    prometheus.reload()
    shop.scraped("NotSelected")
    prometheus.discovery["selectors"] = selector
    prometheus.reload()
    shop.scraped("ServiceScraped")
