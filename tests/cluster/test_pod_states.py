"""Each state of pods and Deployments that a node can make has its reason: all are there at once, each in a Deployment.

The stacks are paused, so that the operator looks and changes nothing. What can't be planted on the only node without
harm to other tests (a taint, a node that is lost or can't end a pod) is planted by status, in tests/integration.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.cluster import slowregistry
from tests.cluster.planted_states import (
    ALL,
    AT_ONCE,
    FINALIZER,
    LATER,
    LEAN,
    PARTS,
    WELL,
    State,
    container,
    pods,
    specs,
)
from tests.framework.api import Api, condition, eventually, is_taken_in, stack
from tests.framework.pod_states import ago
from tests.framework.stacks import database_secret, is_ready

from inventory_operator.kube.pods import FINISHED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.framework.kube import Kube

pytestmark = pytest.mark.xdist_group("pod-states")
Object = dict[str, Any]
#: What becomes of a Deployment whose first pod serves.
FAILS = pods(container(image="localhost:1/next:1"))
OTHER = {"spec": {"template": {"metadata": {"annotations": {"example.com/change": "1"}}}}}


class Shops:
    """The stacks in their namespace, and what a person does to them."""

    def __init__(self, api: Api, kubectl: Kube, namespace: str) -> None:
        self.api, self.kubectl, self.namespace = api, kubectl.inside(namespace), namespace

    def make(self) -> None:
        """Make all stacks, and pause each once all its children are there."""
        for name, spec in specs(self.namespace).items():
            self.api.apply(stack(name, spec), self.namespace)

        def made() -> bool:
            found = {one["metadata"]["name"] for one in self.api.list("Deployment", self.namespace)}
            autoscaler = self.api.get("HorizontalPodAutoscaler", self.namespace, "scaled-inventory")
            return bool(autoscaler) and found >= {state.name for state in ALL.values()}

        eventually(made, "all Deployments")
        for name, spec in specs(self.namespace).items():
            self.api.apply(stack(name, {**spec, "paused": True}), self.namespace)
        for name in specs(self.namespace):
            eventually(lambda name=name: self._is_paused(name), f"{name} to be paused")

    def _is_paused(self, name: str) -> bool:
        found = self.api.get("InventoryStack", self.namespace, name)
        told = condition(found, "Reconciling")
        return told.get("reason") == "Paused" and is_taken_in(found)

    def change(self, name: str, change: Object) -> None:
        self.api.patch("Deployment", self.namespace, name, change)

    def pods(self, name: str) -> list[Object]:
        """All pods of a Deployment, ended ones and those that were deleted included."""
        return [one for one in self.api.list("Pod", self.namespace) if one["metadata"]["name"].startswith(f"{name}-")]

    def pod(self, name: str) -> str:
        """The name of a Deployment's only pod, which is there soon."""

        def only() -> list[Object]:
            found = self.pods(name)
            return found if len(found) == 1 else []

        return str(eventually(only, f"one pod of {name}")[0]["metadata"]["name"])

    def is_available(self, name: str) -> bool:
        """Whether the newest pods of a Deployment are all that is left, and available."""
        found = self.api.get("Deployment", self.namespace, name)
        assert found
        state = found["status"]
        seen = state.get("observedGeneration") == found["metadata"]["generation"]
        return seen and [state.get(key) for key in ("replicas", "updatedReplicas", "availableReplicas")] == [1, 1, 1]

    def serving(self, name: str) -> str:
        """Wait until the first pod of a Deployment serves; return its name."""
        eventually(lambda: self.is_available(name), f"{name} to be available")
        return self.pod(name)

    def hold(self, pod: str) -> None:
        """Keep a pod when it is deleted."""
        self.api.patch("Pod", self.namespace, pod, {"metadata": {"finalizers": [FINALIZER]}})

    def release(self) -> None:
        for pod in self.api.list("Pod", self.namespace):
            if FINALIZER in pod["metadata"].get("finalizers", ()):
                self.api.patch("Pod", self.namespace, pod["metadata"]["name"], {"metadata": {"finalizers": None}})

    def lose_volume(self, claim: str) -> None:
        """Delete the volume of a claim under it."""

        def phase() -> str | None:
            found = self.api.get("PersistentVolumeClaim", self.namespace, claim)
            return found and found["status"].get("phase")

        eventually(lambda: phase() == "Bound", "the claim to be bound")
        volume = f"persistentvolume/{self.namespace}-lost"
        self.kubectl("delete", volume, "--wait=false")
        self.kubectl("patch", volume, "--type=merge", '--patch={"metadata": {"finalizers": null}}')
        eventually(lambda: phase() == "Lost", "the claim to be lost")

    def debug(self, pod: str) -> None:
        """Look into a pod with a container that fails."""
        path = f"api/v1/namespaces/{self.namespace}/pods/{pod}/ephemeralcontainers"
        debugger = {key: one for key, one in container("false", name="debugger").items() if key != "resources"}
        patch = {"spec": {"ephemeralContainers": [debugger]}}
        answer = self.api.request("PATCH", path, patch, "application/strategic-merge-patch+json")
        assert answer.ok, answer.text

    def let_time_pass(self, name: str) -> None:
        """Make it long ago that a Deployment became available and its autoscaler failed, by status alone."""

        def fails() -> bool:
            found = self.api.get("HorizontalPodAutoscaler", self.namespace, name)
            return condition(found, "ScalingActive").get("status") == "False"

        eventually(fails, "the autoscaler to fail")
        for kind in ("HorizontalPodAutoscaler", "Deployment"):
            live = self.api.get(kind, self.namespace, name)
            assert live
            conditions = [{**one, "lastTransitionTime": ago(600)} for one in live["status"]["conditions"]]
            self.api.patch(kind, self.namespace, name, {"status": {"conditions": conditions}}, "status")


@contextmanager
def surroundings(kubectl: Kube, namespace: str) -> Iterator[None]:
    """What states need beside the stacks: storage classes that make no volume, a volume to be lost, a quota."""
    classes = [
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": f"{namespace}-{name}"},
            "provisioner": "example.com/none",
            "volumeBindingMode": mode,
        }
        for name, mode in (("at-once", "Immediate"), ("on-node", "WaitForFirstConsumer"))
    ]
    lost = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "claimRef": {"namespace": namespace, "name": "volumes-inventory"},
        "hostPath": {"path": "/nowhere"},
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": f"{namespace}-lost",
    }
    volume = {"kind": "PersistentVolume", "metadata": {"name": f"{namespace}-lost"}, "spec": lost}
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "best-effort", "namespace": namespace},
        "spec": {"hard": {"pods": "0"}, "scopes": ["BestEffort"]},
    }
    try:
        kubectl.apply(*classes, {"apiVersion": "v1", **volume}, quota)
        inside = kubectl.inside(namespace)
        eventually(lambda: inside.get("resourcequota", "best-effort")["status"].get("hard"), "the quota to count")
        yield
    finally:
        kubectl("delete", "storageclass", *(one["metadata"]["name"] for one in classes), "--ignore-not-found")
        kubectl("delete", "persistentvolume", f"{namespace}-lost", "--ignore-not-found", "--wait=false")


def plant(shops: Shops, registry: str) -> None:
    """Make all states: first what each Deployment begins with, then what happens to the pods that serve by then."""
    shops.hold(shops.pod("serving-prometheus"))
    for name, state in ALL.items():
        change = state.change
        if name == "registry-is-slow":
            change = pods(container(image=f"{registry}/slow:1"))
        if change:
            shops.change(state.name, change)
    shops.lose_volume("volumes-inventory")
    shops.serving("serving-inventory")
    shops.change("serving-inventory", FAILS)
    shops.serving("paused-inventory")
    shops.change("paused-inventory", {"spec": {"paused": True, **FAILS["spec"]}})
    held = shops.serving("mounts-prometheus")
    shops.hold(held)
    shops.change("mounts-prometheus", OTHER)
    full = shops.serving("paused-prometheus")
    shops.kubectl("exec", full, "--", "dd", "if=/dev/zero", "of=/tmp/filled", "bs=1M", "count=16")
    shops.debug(shops.serving("paused-alertmanager"))
    shops.serving("scaled-inventory")
    shops.let_time_pass("scaled-inventory")


@pytest.fixture(scope="module")
def shops(api: Api, kubectl: Kube, installed: None, new_namespace: Any) -> Iterator[Shops]:
    """All stacks, with all states planted."""
    with (
        new_namespace("pod-states") as namespace,
        surroundings(kubectl, namespace),
        slowregistry.running() as registry,
    ):
        shops = Shops(api, kubectl, namespace)
        try:
            api.create(database_secret(), namespace)
            shops.make()
            plant(shops, registry)
            yield shops
        finally:
            shops.release()


def says(shops: Shops, state: State) -> None:
    """Wait until the condition has the reason, and a message that names the object and what to do."""
    words, seen = state.words.format(namespace=shops.namespace), {}

    def told() -> bool:
        found = shops.api.get("InventoryStack", shops.namespace, state.stack)
        seen.update(condition(found, PARTS[state.component][1]))
        return (seen.get("status"), seen.get("reason")) == (state.status, state.reason) and words in seen["message"]

    try:
        eventually(told, f"{state.name} to have the reason {state.reason}")
    except AssertionError as error:
        error.add_note(f"expected: {words}\nwas told: {seen}")
        raise
    assert state.reason == "Available" or state.name in seen["message"]


@pytest.mark.parametrize("state", AT_ONCE)
def test_a_state_has_its_reason(shops: Shops, state: str) -> None:
    says(shops, AT_ONCE[state])


def test_what_is_no_longer_paused_is_right_again(shops: Shops) -> None:
    """Three Deployments whose pods crashed, ran out of memory and could not start, on no node any more."""
    shops.api.apply(stack("ends", LEAN), shops.namespace)
    eventually(lambda: is_ready(shops.api, shops.namespace, "ends"), "the stack to be Ready")


@pytest.mark.parametrize("state", LATER)
def test_a_state_that_lasts_has_its_reason(shops: Shops, state: str) -> None:
    says(shops, LATER[state])


def ended_in_vain(pod: Object) -> dict[str, bool]:
    """Which of the states that count for nothing a pod is in."""
    status = pod.get("status", {})
    debuggers = [one.get("state", {}) for one in status.get("ephemeralContainerStatuses", ())]
    ended = "deletionTimestamp" in pod["metadata"] and status.get("phase") in FINISHED
    return {
        "evicted": status.get("reason") == "Evicted",
        "debugged": any("terminated" in one for one in debuggers),
        "deleted-before-it-had-a-node": ended and "nodeName" not in pod["spec"],
        "ended-pod-has-a-finalizer": ended and "nodeName" in pod["spec"],
    }


@pytest.mark.parametrize("state", WELL)
def test_what_has_ended_counts_for_nothing(shops: Shops, state: str) -> None:
    """They come last: the operator has had a minute to say something else."""
    name = WELL[state].name
    eventually(lambda: any(ended_in_vain(pod)[state] for pod in shops.pods(name)), "what has ended to lie around")
    eventually(lambda: shops.is_available(name), "the pod in its place")
    says(shops, WELL[state])
