"""Objects of the names that a stack's children have, and what an applier makes of them on a real API server."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tests.framework.api import eventually, stack
from tests.framework.rendered import INPUTS

from inventory_operator.api import metadata as meta
from inventory_operator.api.stack import parse
from inventory_operator.controller.generated_secrets import is_generated, with_values
from inventory_operator.manifests.render import render, secrets

if TYPE_CHECKING:
    from tests.framework.api import Api

Object = dict[str, Any]
ObjectId = tuple[str, str]
#: A stack with an object of every kind.
SPEC: Object = {
    "service": {
        "autoscaling": {"minReplicas": 2, "maxReplicas": 3},
        "database": {"cloudNativePG": {"instances": 1, "storage": {"size": "1Gi"}}},
    },
    "containerMetrics": "kubelet",
    "ingress": {"className": "nginx", "hosts": {"service": "shop.example.com"}},
}
_RULE = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
_POD = {"containers": [{"name": "spy", "image": "registry.example.com/spy:1"}]}
_WEB = {"service": {"name": "theirs", "port": {"number": 1}}}
_MATCH = {"matchLabels": {"app": "theirs"}}
_TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "theirs"}
_GROUP = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class Case:
    """A kind, which child has it, the content that somebody else's object has, and what waits with it."""

    kind: str
    part: str
    content: Object
    #: What is held back, by kind and name of a field of `Names`.
    held: frozenset[tuple[str, str]] = frozenset()
    #: Whether it has a foreign annotation, too: its spec can't be foreign, or is replaced as a whole.
    annotated: bool = False


CASES = (
    Case("ConfigMap", "prometheus", {"data": {"theirs": "x"}}, frozenset({("Deployment", "prometheus")})),
    Case("Secret", "grafana", {"data": {"theirs": "eA=="}}, frozenset({("Deployment", "grafana")})),
    Case(
        "ServiceAccount",
        "prometheus",
        {"imagePullSecrets": [{"name": "theirs"}]},
        frozenset(
            {("Deployment", "prometheus"), ("RoleBinding", "prometheus"), ("ClusterRoleBinding", "kubelet_binding")}
        ),
    ),
    Case(
        "PersistentVolumeClaim",
        "prometheus",
        {},
        frozenset({("Deployment", "prometheus")}),
        annotated=True,
    ),
    Case(
        "Service",
        "service",
        {"spec": {"selector": {"app": "theirs"}, "ports": [{"name": "theirs", "port": 1, "protocol": "TCP"}]}},
        frozenset({("Ingress", "service")}),
    ),
    Case(
        "Deployment",
        "service",
        # So many that an autoscaler leaves it as it is.
        {"spec": {"replicas": 2, "selector": {}, "template": {"spec": _POD}}},
        frozenset({("HorizontalPodAutoscaler", "service"), ("Service", "service"), ("Ingress", "service")}),
    ),
    Case(
        "HorizontalPodAutoscaler",
        "service",
        {"spec": {"minReplicas": 1, "maxReplicas": 9, "scaleTargetRef": _TARGET}},
        annotated=True,
    ),
    Case("PodDisruptionBudget", "service", {"spec": {"minAvailable": 1, "selector": _MATCH}}),
    Case("Ingress", "service", {"spec": {"defaultBackend": _WEB}}),
    Case("NetworkPolicy", "prometheus", {"spec": {"podSelector": _MATCH, "policyTypes": ["Egress"], "egress": [{}]}}),
    Case("Role", "prometheus", {"rules": [_RULE]}, frozenset({("RoleBinding", "prometheus")})),
    Case(
        "RoleBinding",
        "prometheus",
        {"roleRef": {"apiGroup": _GROUP, "kind": "Role", "name": "theirs"}, "subjects": []},
    ),
    Case(
        "ClusterRoleBinding",
        "kubelet_binding",
        {
            "roleRef": {"apiGroup": _GROUP, "kind": "ClusterRole", "name": "inventory-kubelet-metrics"},
            "subjects": [{"apiGroup": _GROUP, "kind": "User", "name": "theirs"}],
        },
    ),
    Case(
        "Cluster",
        "database",
        {"spec": {"instances": 1, "storage": {"size": "1Gi"}, "inheritedMetadata": {"labels": {"app": "theirs"}}}},
        frozenset({("Deployment", "service"), ("HorizontalPodAutoscaler", "service")}),
    ),
)


def made(api: Api, namespace: str, name: str) -> meta.Stack:
    """Create a stack that no operator does anything for, and return who it is."""
    raw = api.apply(stack(name, {"paused": True}), namespace)
    return meta.Stack(namespace, name, raw["metadata"]["uid"])


def desired(api: Api, one: meta.Stack) -> list[Object]:
    """Return every object of a stack."""
    spec = parse(stack(one.name, SPEC) | {"metadata": {"name": one.name, "namespace": one.namespace}})
    namespace = api.get("Namespace", None, one.namespace)
    assert namespace
    inputs = replace(INPUTS, namespace_uid=namespace["metadata"]["uid"])
    generated = [with_values(manifest) for manifest in secrets(one, spec)]
    return [*generated, *(obj for obj in render(one, spec, inputs) if not is_generated(obj))]


def theirs(case: Case, manifest: Object, **metadata: Any) -> Object:
    """Return somebody else's object of the name of `manifest`."""
    content = copy.deepcopy(case.content)
    if case.kind == "Deployment":
        # Its selector can't be changed: with another one no adoption would be possible.
        content["spec"]["selector"] = manifest["spec"]["selector"]
        content["spec"]["template"]["metadata"] = {"labels": manifest["spec"]["template"]["metadata"]["labels"]}
    if case.kind == "PersistentVolumeClaim":
        # Nor can it be made smaller.
        content["spec"] = manifest["spec"]
    annotations = {"annotations": {"example.com/owner": "theirs"}} if case.annotated else {}
    identity = {"name": manifest["metadata"]["name"], **annotations, **metadata}
    return {"apiVersion": manifest["apiVersion"], "kind": case.kind, "metadata": identity, **content}


def content(obj: Object | None) -> Object:
    """Return what must not change of somebody's object: everything but what controllers and the server write."""
    assert obj
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _SERVERS}
    annotations = dict(metadata.get("annotations", {}))
    annotations.pop("deployment.kubernetes.io/revision", None)
    body = {key: value for key, value in obj.items() if key not in {"status", "kind", "apiVersion"}}
    return {**body, "metadata": {**metadata, "annotations": annotations}}


def own_content(obj: Object | None) -> Object:
    """Return the content without what tells one stack of a name from the next."""
    found = content(obj)
    metadata = found["metadata"]
    metadata.pop("ownerReferences", None)
    metadata["labels"] = {key: value for key, value in metadata["labels"].items() if "velero" not in key}
    del metadata["labels"][meta.UID_LABEL]
    metadata["annotations"].pop(meta.APPLIED_ANNOTATION, None)
    metadata.pop("finalizers", None)
    return found


_SERVERS = frozenset({"managedFields", "resourceVersion", "generation", "creationTimestamp"})


def gone(api: Api, namespace: str | None, kind: str, name: str) -> None:
    """Delete an object, and wait until it is gone."""
    api.delete(kind, namespace, name)
    eventually(lambda: api.get(kind, namespace, name) is None, f"{kind} {name} to be gone")
