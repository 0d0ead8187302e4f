"""Others who keep undoing what the operator writes, at a high rate and all at once, on a real API server.

How often it writes in later minutes is tested with a clock of its own (tests/unit/test_contention.py).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import pytest
from tests.framework.api import LABEL, PATHS, Api, condition, eventually, stack
from tests.framework.stacks import EXTERNAL, database_secret

from inventory_operator.api.metadata import API_VERSION, COMPONENT_LABEL, CONFIG_ANNOTATION, FIELD_MANAGER, KIND

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.xdist_group("operator")
Object = dict[str, Any]
#: Longer than the first two pauses.
WRITING_SECONDS = 33
#: Between two writes of one writer.
WRITER_PAUSE = 0.1
#: Requests to one object, in the first minute.
MOST_WRITES = 20
#: And in each later one.
MOST_WRITES_LATER = 5
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"


@dataclass(frozen=True)
class Writer:
    """Somebody who writes one field of an object again and again, with two values in turn."""

    field: str
    kind: str
    name: str
    patches: tuple[Object, Object]
    content_type: str = MERGE
    #: As it is when the operator has it back.
    ours: Callable[[Object], bool] = lambda _: True
    #: Whether it writes only what is the operator's: else it may come between two requests, and the second is refused.
    reacts: bool = False

    @property
    def manager(self) -> str:
        return f"writer-of-{self.name}"

    def write(self, api: Api, namespace: str, turn: int) -> None:
        path = f"{PATHS[self.kind].format(ns=namespace)}/{self.name}"
        if self.reacts and not self.ours(api.request("GET", path).json()):
            return
        answer = api.request("PATCH", path, self.patches[turn % 2], self.content_type, fieldManager=self.manager)
        assert answer.ok or answer.status_code in {404, 409}, answer.text


def pod_template(**pod: Any) -> Object:
    return {"spec": {"template": pod}}


def container(name: str, **fields: Any) -> Object:
    return pod_template(spec={"containers": [{"name": name, **fields}]})


def image_of(deployment: Object) -> str:
    image: str = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    return image


def port(number: int) -> Object:
    return {"spec": {"ports": [{"name": "http", "port": number, "targetPort": "http", "protocol": "TCP"}]}}


def claim(size: str) -> Object:
    return {"spec": {"resources": {"requests": {"storage": size}}}}


def both(patch: Callable[[str], Object]) -> tuple[Object, Object]:
    return patch("a"), patch("b")


WRITERS = (
    Writer(
        "spec.replicas",
        "Deployment",
        "shop-inventory",
        ({"spec": {"replicas": 2}}, {"spec": {"replicas": 3}}),
        ours=lambda it: bool(it["spec"]["replicas"] == 1),
    ),
    Writer(
        "spec.template.spec.containers[agent]",
        "Deployment",
        "shop-prometheus",
        both(lambda one: container("agent", image=f"example.com/agent:{one}")),
        STRATEGIC,
        lambda it: len(it["spec"]["template"]["spec"]["containers"]) == 1,
    ),
    Writer(
        "spec.template.spec.containers[grafana].image",
        "Deployment",
        "shop-grafana",
        both(lambda one: container("grafana", image=f"example.com/grafana:{one}")),
        STRATEGIC,
        lambda it: "example.com" not in image_of(it),
    ),
    Writer(
        "spec.template.metadata.annotations[inventorystack.dev/restart]",
        "Deployment",
        "shop-grafana",
        both(lambda one: pod_template(metadata={"annotations": {"inventorystack.dev/restart": one}})),
        ours=lambda it: len(it["spec"]["template"]["metadata"]["annotations"]["inventorystack.dev/restart"]) > 1,
    ),
    Writer(
        "data[prometheus.yml]",
        "ConfigMap",
        "shop-prometheus",
        both(lambda one: {"data": {"prometheus.yml": f"# {one}"}}),
        ours=lambda it: len(it["data"]["prometheus.yml"]) > 10,
    ),
    Writer(
        "spec.selector",
        "Service",
        "shop-inventory",
        both(lambda one: {"spec": {"selector": {"app": one}}}),
        ours=lambda it: "app" not in it["spec"]["selector"],
    ),
    Writer(
        "spec.ports",
        "Service",
        "shop-grafana",
        (port(3001), port(3002)),
        ours=lambda it: [one["port"] for one in it["spec"]["ports"]] == [3000],
        reacts=True,
    ),
    Writer(
        "metadata.labels[app.kubernetes.io/name]",
        "ServiceAccount",
        "shop-prometheus",
        both(lambda one: {"metadata": {"labels": {"app.kubernetes.io/name": one}}}),
        ours=lambda it: bool(it["metadata"]["labels"]["app.kubernetes.io/name"] == "prometheus"),
    ),
)


class Writing:
    """Threads that write until `stop`; each has a client of its own. A thread that fails tells at the end."""

    def __init__(self, control_plane: Any, *steps: Callable[[Api, int], None]) -> None:
        self.stopped = threading.Event()
        self.failures: list[BaseException] = []
        self.turns = Counter(dict.fromkeys(range(len(steps)), 0))
        self.threads = [
            threading.Thread(target=self._go_on, args=(Api(control_plane.kubeconfig), number, step))
            for number, step in enumerate(steps)
        ]

    def _go_on(self, api: Api, number: int, step: Callable[[Api, int], None]) -> None:
        try:
            while not self.stopped.wait(WRITER_PAUSE):
                step(api, self.turns[number])
                self.turns[number] += 1
        except BaseException as error:
            self.failures.append(error)
            raise

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        for thread in self.threads:
            thread.join()
        assert not self.failures


def messages(api: Api, namespace: str) -> str:
    found = api.get("InventoryStack", namespace, "shop")
    return "\n".join(one["message"] for one in found["status"]["conditions"])


@pytest.fixture
def volume(api, namespace):
    """A storage class whose volumes may grow, and a volume of it for Alertmanager."""
    name = f"grows-{namespace}"
    storage_class = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}}
    storage_class |= {"provisioner": "example.com/none", "allowVolumeExpansion": True}
    spec = {"capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": name}
    spec |= {"claimRef": {"namespace": namespace, "name": "shop-alertmanager"}, "hostPath": {"path": "/nowhere"}}
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}
    paths = {"apis/storage.k8s.io/v1/storageclasses": storage_class, "api/v1/persistentvolumes": volume}
    for path, body in paths.items():
        answer = api.request("POST", path, body)
        assert answer.ok, answer.text
    yield name
    for path in paths:
        assert api.request("DELETE", f"{path}/{name}").ok


def bound(api: Api, namespace: str) -> bool:
    claim = api.get("PersistentVolumeClaim", namespace, "shop-alertmanager")
    return bool(claim and claim["status"]["phase"] == "Bound")


def annotated_pod(api: Api, namespace: str) -> str | None:
    """The pod of Alertmanager, once it has the annotation."""
    pods = api.list("Pod", namespace, f"{LABEL}=shop,{COMPONENT_LABEL}=alertmanager")
    return next((one["metadata"]["name"] for one in pods if told_of(one)), None)


def told_of(pod: Object | None) -> bool:
    found = (pod or {}).get("metadata", {}).get("annotations", {}).get(CONFIG_ANNOTATION, "")
    return len(found) > 1


def test_what_others_keep_undoing_is_left_named_and_taken_back(
    api, operator, namespace, settled, audit, control_plane, volume
) -> None:
    api.apply(stack(spec={"alerting": {"storage": {"storageClassName": volume}}}), namespace)
    owner = {"apiVersion": API_VERSION, "kind": KIND, "name": "shop", "uid": settled(namespace)["metadata"]["uid"]}
    unwanted = {"name": "shop-unwanted", "labels": {LABEL: "shop", COMPONENT_LABEL: "prometheus"}}
    pod = eventually(lambda: annotated_pod(api, namespace), "a pod that was told")
    annotation = f"metadata.annotations[{CONFIG_ANNOTATION}]"
    values = both(lambda one: {"metadata": {"annotations": {CONFIG_ANNOTATION: one}}})
    writers = (*WRITERS, Writer(annotation, "Pod", pod, values, ours=told_of))
    size = Writer("", "PersistentVolumeClaim", "shop-alertmanager", (claim("11Gi"), claim("12Gi")))

    def delete(one: Api, _: int) -> None:
        one.request("DELETE", f"{PATHS['Service'].format(ns=namespace)}/shop-prometheus")

    def create(one: Api, _: int) -> None:
        metadata = {**unwanted, "ownerReferences": [owner]}
        body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
        one.request("POST", PATHS["ServiceAccount"].format(ns=namespace), body, fieldManager=FIELD_MANAGER)

    steps = [lambda one, turn, it=it: it.write(one, namespace, turn) for it in (*writers, size)]
    eventually(lambda: bound(api, namespace), "the volume to be bound")
    audit.settle(namespace)
    expected = [
        "Service shop-prometheus, deleted by an unknown client",
        "ServiceAccount shop-unwanted, not wanted and created by an unknown client",
        *(f"{it.field} of {it.kind} {it.name} by {it.manager}" for it in writers),
    ]
    began = time.monotonic()
    with Writing(control_plane, *steps, delete, create) as writing:
        time.sleep(WRITING_SECONDS)
        eventually(lambda: min(writing.turns.values()) > MOST_WRITES, "each to have written more than the operator may")
        eventually(lambda: all(one in messages(api, namespace) for one in expected), "all of them to be named")
        written, minutes = Counter(audit.writes(namespace)), int((time.monotonic() - began) // 60)
    most = MOST_WRITES + minutes * MOST_WRITES_LATER
    assert [write for write, count in written.items() if count > most] == []
    for it in writers:
        eventually(lambda it=it: it.ours(api.get(it.kind, namespace, it.name)), f"{it.field} to be ours again")
    eventually(lambda: api.get("Service", namespace, "shop-prometheus"), "the deleted Service")
    eventually(lambda: api.get("ServiceAccount", namespace, "shop-unwanted") is None, "the unwanted object to go")
    grown = f"spec.resources.requests.storage by {size.manager}) and can't be put back"
    eventually(lambda: grown in messages(api, namespace), "who made the volume larger")


def first_container(deployment: Object) -> Object:
    found: Object = deployment["spec"]["template"]["spec"]["containers"][0]
    return found


def probe_by_exec(it: Object) -> None:
    first_container(it)["livenessProbe"] = {"exec": {"command": ["true"]}}


def variable_from_a_field(it: Object) -> None:
    first_container(it)["env"][1] = {
        "name": first_container(it)["env"][1]["name"],
        "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}},
    }


def another_kind_of_volume(it: Object) -> None:
    it["spec"]["template"]["spec"]["volumes"][0] = {"name": "tmp", "hostPath": {"path": "/tmp"}}


def another_port_of_a_container(it: Object) -> None:
    first_container(it)["ports"][0]["containerPort"] = 5009


def the_other_kind_of_budget(it: Object) -> None:
    it["spec"] = {"selector": it["spec"]["selector"], "minAvailable": 1}


def another_port_of_a_service(it: Object) -> None:
    it["spec"]["ports"][0]["port"] = 5009


@pytest.mark.parametrize(
    ("kind", "edit"),
    [
        ("Deployment", probe_by_exec),
        ("Deployment", variable_from_a_field),
        ("Deployment", another_kind_of_volume),
        ("Deployment", another_port_of_a_container),
        ("Service", another_port_of_a_service),
        ("PodDisruptionBudget", the_other_kind_of_budget),
    ],
)
def test_what_excludes_ours_is_replaced(api, operator, namespace, settled, kind, edit) -> None:
    """Beside what somebody set ours is refused: two handlers of a probe, two ports of one name."""
    if kind == "PodDisruptionBudget":
        api.create(database_secret(), namespace)
    api.apply(stack(spec=EXTERNAL if kind == "PodDisruptionBudget" else {}), namespace)
    settled(namespace)
    path = f"{PATHS[kind].format(ns=namespace)}/shop-inventory"
    before = api.get(kind, namespace, "shop-inventory")["spec"]

    def edited() -> bool:
        found = api.get(kind, namespace, "shop-inventory")
        edit(found)
        return api.request("PUT", path, found, fieldManager="kubectl-edit").ok

    eventually(edited, "the edit")
    eventually(lambda: api.get(kind, namespace, "shop-inventory")["spec"] == before, "ours again")
    # The status follows the write.
    eventually(lambda: condition(settled(namespace), "Stalled")["status"] == "False", "Stalled to be False")
