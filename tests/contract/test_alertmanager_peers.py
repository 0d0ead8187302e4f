"""Two or three Alertmanagers act as one: each has a volume of its own, they find each other, and no other pod joins."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.alertmanager import alerting
from tests.framework.rendered import one

NAMES = ["shop-alertmanager", "shop-alertmanager-1", "shop-alertmanager-2"]
PODS = {"inventorystack.dev/stack": "shop", "app.kubernetes.io/component": "alertmanager"}


def pod(objects: list[dict[str, Any]], name: str) -> dict[str, Any]:
    found: dict[str, Any] = one(objects, "Deployment", name)["spec"]["template"]["spec"]
    return found


def names(objects: list[dict[str, Any]], kind: str) -> list[str]:
    found = [obj["metadata"]["name"] for obj in objects if obj["kind"] == kind]
    return [name for name in found if "-alertmanager" in name]


@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_each_has_a_volume_and_a_selector_of_its_own(replicas: int) -> None:
    objects = alerting(replicas=replicas)
    assert names(objects, "Deployment") == names(objects, "PersistentVolumeClaim") == NAMES[:replicas]
    for number, name in enumerate(NAMES[:replicas]):
        (claim,) = [v["persistentVolumeClaim"] for v in pod(objects, name)["volumes"] if "persistentVolumeClaim" in v]
        assert claim == {"claimName": name}
        deployment = one(objects, "Deployment", name)["spec"]
        assert deployment["selector"]["matchLabels"] == PODS | {"inventorystack.dev/replica": str(number)}


def test_one_alone_opens_no_port_for_others() -> None:
    objects = alerting(replicas=1)
    container = pod(objects, NAMES[0])["containers"][0]
    assert [arg for arg in container["args"] if "--cluster" in arg] == ["--cluster.listen-address="]
    assert "9094" not in str(objects)
    assert not names(objects, "PodDisruptionBudget")
    assert "affinity" not in pod(objects, NAMES[0])


def test_they_find_each_other_and_no_other_pod() -> None:
    objects = alerting(replicas=2)
    args = pod(objects, NAMES[1])["containers"][0]["args"]
    assert {arg for arg in args if "--cluster" in arg} == {
        "--cluster.listen-address=0.0.0.0:9094",
        "--cluster.advertise-address=[$(POD_IP)]:9094",
        "--cluster.peer=shop-alertmanager-peers:9094",
        "--cluster.label=shop/shop",
        "--cluster.reconnect-timeout=5m",
    }
    service = one(objects, "Service", "shop-alertmanager-peers")["spec"]
    assert (service["clusterIP"], service["publishNotReadyAddresses"], service["selector"]) == ("None", True, PODS)
    assert [(port["port"], port["protocol"]) for port in service["ports"]] == [
        (9093, "TCP"),
        (9094, "TCP"),
        (9094, "UDP"),
    ]
    rules = one(objects, "NetworkPolicy", "shop-alertmanager")["spec"]["ingress"]
    gossip = [rule for rule in rules if rule["ports"][0]["port"] == 9094]
    assert gossip == [
        {
            "ports": [{"port": 9094, "protocol": "TCP"}, {"port": 9094, "protocol": "UDP"}],
            "from": [{"podSelector": {"matchLabels": PODS}}],
        }
    ]


def test_they_run_apart_where_there_is_room_and_do_not_leave_together() -> None:
    objects = alerting(replicas=2)
    for name in NAMES[:2]:
        ((kind, (term,)),) = pod(objects, name)["affinity"]["podAntiAffinity"].items()
        assert kind == "preferredDuringSchedulingIgnoredDuringExecution"
        assert term["podAffinityTerm"]["labelSelector"] == {"matchLabels": PODS}
    budget = one(objects, "PodDisruptionBudget", "shop-alertmanager")["spec"]
    assert budget == {"maxUnavailable": 1, "selector": {"matchLabels": PODS}}


def test_people_and_prometheus_reach_them_by_services_of_their_own() -> None:
    objects = alerting(replicas=3)
    assert names(objects, "Service") == ["shop-alertmanager", "shop-alertmanager-peers"]
    for name in names(objects, "Service"):
        assert one(objects, "Service", name)["spec"]["selector"] == PODS
