"""The replicas of the service's Deployment while autoscaling is switched on and off, on a real API server.

No HorizontalPodAutoscaler acts here without metrics: what it would set, the test sets by the scale subresource.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.framework.api import eventually, stack
from tests.framework.stacks import EXTERNAL, database_secret

from inventory_operator.api.metadata import HANDOVER_FIELD_MANAGER

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("operator")
NAME = "shop-inventory"
#: What a test sets itself: when the watch shows it, it has shown all before it.
LAST = 99
AUTOSCALING = {"minReplicas": 2, "maxReplicas": 8}
DATABASE = {"database": EXTERNAL["service"]["database"]}


@contextmanager
def watched_replicas(api: Any, namespace: str) -> Iterator[list[int]]:
    """Collect each value of spec.replicas that a watch of the Deployment shows while the block lasts."""
    path = f"apis/apps/v1/namespaces/{namespace}/deployments"
    version = api.request("GET", path).json()["metadata"]["resourceVersion"]
    values: list[int] = []
    query = {"watch": "true", "resourceVersion": version, "fieldSelector": f"metadata.name={NAME}"}
    response = api.stream(path, **query)

    def read() -> None:
        for line in response.iter_lines(chunk_size=None):
            replicas = json.loads(line)["object"]["spec"]["replicas"]
            if values[-1:] != [replicas]:
                values.append(replicas)
            if replicas == LAST:
                return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    yield values
    api.patch("Deployment", namespace, NAME, {"spec": {"replicas": LAST}})
    eventually(lambda: LAST in values, "the watch to show everything")
    reader.join()
    response.close()
    values.remove(LAST)


def managers(api: Any, namespace: str) -> list[str]:
    """Who holds spec.replicas."""
    entries = api.get("Deployment", namespace, NAME)["metadata"]["managedFields"]
    return [one["manager"] for one in entries if "f:replicas" in one["fieldsV1"].get("f:spec", {})]


def replicas(api: Any, namespace: str) -> int:
    found: int = api.get("Deployment", namespace, NAME)["spec"]["replicas"]
    return found


@pytest.fixture
def service(api, operator, namespace, settled):
    """Apply a stack with these fields of the service, and wait until it is done."""
    api.create(database_secret(), namespace)

    def apply(**fields: Any) -> None:
        api.apply(stack(spec={"service": {**DATABASE, **fields}, "grafana": {"enabled": False}}), namespace)
        settled(namespace)
        wanted = "autoscaling" in fields
        eventually(lambda: bool(api.get("HorizontalPodAutoscaler", namespace, NAME)) == wanted, "the autoscaler")

    return apply


def test_switching_autoscaling_on_keeps_the_replicas_that_run(api, namespace, service, audit) -> None:
    service(replicas=5)
    assert managers(api, namespace) == ["inventory-operator"]
    with watched_replicas(api, namespace) as values:
        service(autoscaling=AUTOSCALING)
        assert managers(api, namespace) == [HANDOVER_FIELD_MANAGER]
        audit.settle(namespace)
        service(autoscaling=AUTOSCALING)
        assert audit.writes(namespace) == []
    assert set(values) <= {5}


def test_an_autoscaler_takes_the_field_over_and_replicas_that_are_set_come_straight(api, namespace, service) -> None:
    service(replicas=5)
    with watched_replicas(api, namespace) as values:
        service(autoscaling=AUTOSCALING)
        api.patch("Deployment", namespace, NAME, {"spec": {"replicas": 6}}, "scale")
        assert managers(api, namespace) == ["tester"]
        service(replicas=3)
        assert managers(api, namespace) == ["inventory-operator"]
        service(autoscaling=AUTOSCALING)
    assert [one for one in values if one != 5] == [6, 3]


def test_without_replicas_in_the_spec_the_number_that_runs_stays(api, namespace, service, audit) -> None:
    service()
    assert (replicas(api, namespace), managers(api, namespace)) == (1, [])
    service(replicas=5)
    with watched_replicas(api, namespace) as values:
        service()
        service(autoscaling=AUTOSCALING)
        api.patch("Deployment", namespace, NAME, {"spec": {"replicas": 6}}, "scale")
        service()
        assert managers(api, namespace) == ["tester"]
        audit.settle(namespace)
        service()
        assert audit.writes(namespace) == []
    assert [one for one in values if one != 5] == [6]


def test_sqlite_brings_it_to_one_pod(api, namespace, service, operator, settled) -> None:
    service(replicas=5)
    api.apply(stack(spec={"grafana": {"enabled": False}}), namespace)
    eventually(lambda: replicas(api, namespace) == 1, "one pod on SQLite")
    assert managers(api, namespace) == ["inventory-operator"]


def test_a_volume_keeps_its_class_when_the_spec_names_none(api, operator, namespace, settled, audit) -> None:
    def apply(storage: dict[str, str]) -> str:
        api.apply(stack(spec={"prometheus": {"storage": storage}}), namespace)
        found = settled(namespace)
        stalled = next(one for one in found["status"]["conditions"] if one["type"] == "Stalled")
        assert stalled["status"] == "False", stalled["message"]
        name: str = api.get("PersistentVolumeClaim", namespace, "shop-prometheus")["spec"]["storageClassName"]
        return name

    assert apply({"storageClassName": "fast"}) == "fast"
    assert apply({}) == "fast"
    audit.settle(namespace)
    assert apply({}) == "fast"
    assert audit.writes(namespace) == []
