"""Names, labels, selectors and owner references of the objects of a stack: the only place where they are made."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

GROUP = "inventorystack.dev"
VERSION = "v1alpha1"
KIND = "InventoryStack"
PLURAL = "inventorystacks"
API_VERSION = f"{GROUP}/{VERSION}"

FIELD_MANAGER = "inventory-operator"
STATUS_FIELD_MANAGER = "inventory-operator-status"
#: Holds fields that are no longer in what we apply, and keep their value until somebody else sets another.
HANDOVER_FIELD_MANAGER = "inventory-operator-handover"

STACK_LABEL = f"{GROUP}/stack"
UID_LABEL = f"{GROUP}/stack-uid"
#: Only on cluster-scoped children, which have no namespace of their own.
STACK_NAMESPACE_LABEL = f"{GROUP}/stack-namespace"
COMPONENT_LABEL = "app.kubernetes.io/component"
#: Tells the pods of a component apart where each has a Deployment and a volume of its own.
REPLICA_LABEL = f"{GROUP}/replica"

#: Digest of the manifest as last applied; with managedFields it proves after a restart that nothing is to be done.
APPLIED_ANNOTATION = f"{GROUP}/applied"
#: On a Secret: the comma-separated keys that the operator fills with random values, once.
GENERATE_ANNOTATION = f"{GROUP}/generate"
#: On a pod template: digest of exactly the configuration that needs a restart.
RESTART_ANNOTATION = f"{GROUP}/restart"
#: On a pod: digest of the configuration it reloads by itself; writing it makes the kubelet refresh the volume at once.
CONFIG_ANNOTATION = f"{GROUP}/config"

#: On a ConfigMap: keyed digest of the Secrets that its component reads as files, so that a new value is seen at once.
MOUNTED_ANNOTATION = f"{GROUP}/mounted"

#: ClusterRole that is installed with the operator; the operator may bind it and nothing else.
KUBELET_CLUSTER_ROLE = "inventory-kubelet-metrics"

#: How the key of a user's file begins in our ConfigMaps.
USER_FILE = "user-"
#: The headless Service of the operator's own pods (operator/deploy/base/service.yaml).
OPERATOR_METRICS = "inventory-operator-metrics"

#: namespace and name of a stack.
Key = tuple[str, str]

#: Kinds of children that hold what people put in: never pruned, and kept with their stack's `Retain`.
KEEPS_DATA = frozenset({"PersistentVolumeClaim", "Cluster"})

COMPONENTS = ("service", "prometheus", "alertmanager", "grafana")
_SUFFIX = {"service": "inventory"}
#: 58 characters less the longest `-<hash>-`.
_LONGEST_UNCUT = 58 - 12


@dataclass(frozen=True, slots=True)
class Stack:
    """The identity of one stack: what names, labels and owner references are made from."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Names:
    """The names of the children of one stack; `names.prometheus` is the name of everything Prometheus has."""

    service: str
    prometheus: str
    alertmanager: str
    grafana: str
    #: The headless Service through which Alertmanagers find each other, and Prometheus finds all of them.
    alertmanager_peers: str
    #: CloudNativePG's Cluster, of at most 50 characters; its pods, Services and Secrets are called `<this>-...`.
    database: str
    #: The Secret that CloudNativePG makes for applications, with the key `uri`
    #: (https://cloudnative-pg.io/documentation/current/applications/#secrets).
    database_secret: str
    #: Secret with the key for the digests of referenced Secrets.
    digest_key: str
    #: Cluster-scoped, hence with the namespace and a hash: two stacks can never claim the same one.
    kubelet_binding: str


@lru_cache(maxsize=256)
def names(stack: Stack) -> Names:
    """Return the names of the children of `stack`."""
    digest = hashlib.sha256(f"{stack.namespace}/{stack.name}".encode()).hexdigest()[:8]
    children = {component: f"{stack.name}-{_SUFFIX.get(component, component)}" for component in COMPONENTS}
    return Names(
        **children,
        alertmanager_peers=f"{children['alertmanager']}-peers",
        database=f"{stack.name}-database",
        database_secret=f"{stack.name}-database-app",
        digest_key=f"{stack.name}-digest-key",
        kubelet_binding=f"{stack.namespace}-{stack.name}-{digest}",
    )


def selector(stack: Stack, component: str) -> dict[str, str]:
    """Return the labels that select the pods of one component: frozen for ever, never with a version."""
    return {STACK_LABEL: stack.name, COMPONENT_LABEL: component}


def pod_pattern(deployment: str) -> str:
    """Return the RE2 pattern of the names of exactly a Deployment's own pods, for metrics that know pods by name only.

    A pod is `<deployment>-<hash, up to 10>-<random, 5>`, cut to 58 before the random part
    (k8s.io/apiserver/pkg/storage/names). Only names too long to be the beginning of another stack's are ever cut.
    """
    if len(deployment) <= _LONGEST_UNCUT:
        return f"{deployment}-[a-z0-9]{{1,10}}-[a-z0-9]{{5}}"
    return f"{deployment}-[-a-z0-9]+"


def pod_labels(stack: Stack, component: str) -> dict[str, str]:
    """Return the labels of the pods of one component: the same for a stack that is deleted and created again.

    Anything else would replace the pods of a stack that was deleted with `--cascade=orphan`.
    """
    return {
        "app.kubernetes.io/name": _SUFFIX.get(component, component),
        "app.kubernetes.io/instance": stack.name,
        "app.kubernetes.io/part-of": "inventory-stack",
        "app.kubernetes.io/managed-by": FIELD_MANAGER,
        **selector(stack, component),
    }


def labels(stack: Stack, component: str) -> dict[str, str]:
    """Return the labels of every child of one component."""
    return {**pod_labels(stack, component), UID_LABEL: stack.uid}


def owner_reference(stack: Stack) -> dict[str, Any]:
    """Return the controller owner reference that lets garbage collection delete a child with its stack."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": stack.name,
        "uid": stack.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
