"""Volume claims that get no volume, or can't change, on a real API server: what is missing, and the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.framework.api import condition, eventually, stack

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("operator")
Object = dict[str, Any]
CLASSES = "apis/storage.k8s.io/v1/storageclasses"
VOLUMES = "api/v1/persistentvolumes"
CLAIM = "shop-prometheus"
OFF = {"grafana": {"enabled": False}, "alerting": {"enabled": False}}


def storage(**fields: str) -> Object:
    return stack(spec={**OFF, "prometheus": {"storage": fields}})


def says(api: Any, namespace: str, reason: str, words: str) -> Object:
    def told() -> Object | None:
        found = condition(api.get("InventoryStack", namespace, "shop"), "PrometheusAvailable")
        return found if found.get("reason") == reason and words in found["message"] else None

    found = eventually(told, f"{reason}: {words}")
    assert found
    return found


@pytest.fixture
def bound(api, namespace, storage_class) -> Iterator[None]:
    """A stack whose claim of 10Gi has a volume."""
    claim = {"kind": "PersistentVolumeClaim", "namespace": namespace, "name": CLAIM}
    spec = {"capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/nowhere"}}
    spec |= {"storageClassName": storage_class, "claimRef": claim, "persistentVolumeReclaimPolicy": "Retain"}
    path = f"{VOLUMES}/pv-{namespace}"
    assert api.request("POST", VOLUMES, {"metadata": {"name": f"pv-{namespace}"}, "spec": spec}).ok
    api.apply(storage(size="10Gi", storageClassName=storage_class), namespace)

    def has_volume() -> bool:
        return (api.get("PersistentVolumeClaim", namespace, CLAIM) or {}).get("status", {}).get("phase") == "Bound"

    eventually(has_volume, "the claim to have its volume")
    yield
    assert api.request("DELETE", path).ok


@pytest.fixture
def storage_class(api, namespace) -> Iterator[str]:
    """A class that makes no volume, and can't let one grow."""
    name = f"slow-{namespace}"
    body = {"metadata": {"name": name}, "provisioner": "example.com/none", "volumeBindingMode": "Immediate"}
    assert api.request("POST", CLASSES, body).ok
    yield name
    assert api.request("DELETE", f"{CLASSES}/{name}").ok


def test_a_class_that_does_not_exist_is_named_and_the_way_out_works(api, operator, namespace, storage_class) -> None:
    api.apply(storage(storageClassName="slwo"), namespace)
    words = 'storage class "slwo" not found: create it, or correct spec.prometheus.storage.storageClassName'
    says(api, namespace, "StorageClassMissing", f"PersistentVolumeClaim {CLAIM}: {words}")
    api.apply(storage(storageClassName=storage_class), namespace)
    way_out = f"delete it (kubectl -n {namespace} delete pvc {CLAIM}), and it is created as the spec says"
    says(api, namespace, "ApplyFailed", f"it can't change before it has a volume: {way_out}")
    api.delete("PersistentVolumeClaim", namespace, CLAIM)

    def made_anew() -> bool:
        claim = api.get("PersistentVolumeClaim", namespace, CLAIM)
        return bool(claim) and claim["spec"].get("storageClassName") == storage_class

    eventually(made_anew, "the claim with the right class")
    says(api, namespace, "Starting", "pods are starting")


def test_a_cluster_without_a_default_class_is_named(api, operator, namespace) -> None:
    api.apply(stack(spec=OFF), namespace)
    words = "the cluster has no default storage class: make one the default, or set"
    says(api, namespace, "StorageClassMissing", f"{words} spec.prometheus.storage.storageClassName")
    service = condition(api.get("InventoryStack", namespace, "shop"), "ServiceAvailable")
    assert service["message"].endswith("or set spec.service.database.sqlite.storage.storageClassName")


def test_a_class_that_makes_no_volume_is_named(api, operator, namespace, storage_class) -> None:
    api.apply(storage(storageClassName=storage_class), namespace)
    selector = "inventorystack.dev/stack=shop,app.kubernetes.io/component=prometheus"
    (pod,) = eventually(lambda: api.list("Pod", namespace, selector), "the pod")
    message = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    api.patch("Pod", namespace, pod["metadata"]["name"], {"status": {"conditions": [scheduled]}}, "status")
    says(
        api, namespace, "VolumePending", f'waits for a volume of storage class "{storage_class}": kubectl describe pvc'
    )


def test_a_lost_volume_is_named(api, operator, namespace, storage_class) -> None:
    api.apply(storage(storageClassName=storage_class), namespace)
    eventually(lambda: api.get("PersistentVolumeClaim", namespace, CLAIM), "the claim")
    # As one that was bound, to a volume of which there is none.
    annotations = {"pv.kubernetes.io/bind-completed": "yes"}
    claim = {"metadata": {"annotations": annotations}, "spec": {"volumeName": "none"}}
    api.patch("PersistentVolumeClaim", namespace, CLAIM, claim)
    says(api, namespace, "VolumeLost", "restore its PersistentVolume, or delete the claim")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"size": "5Gi"},
            "its 10Gi can't shrink to 5Gi: set spec.prometheus.storage.size to 10Gi or more",
        ),
        ({"size": "20Gi"}, "its 10Gi can't grow to 20Gi: set spec.prometheus.storage.size back to 10Gi, or let"),
        ({"storageClassName": "other"}, "can't change: set spec.prometheus.storage.storageClassName back to that"),
    ],
    ids=["shrinks", "grows", "other-class"],
)
def test_a_change_that_no_volume_can_make_has_its_way_out(
    api, operator, namespace, storage_class, bound, change, words
) -> None:
    fields = {"size": "10Gi", "storageClassName": storage_class, **change}
    api.apply(storage(**{key: value for key, value in fields.items() if value}), namespace)
    says(api, namespace, "ApplyFailed", f"PersistentVolumeClaim {CLAIM}: its")
    says(api, namespace, "ApplyFailed", words)
