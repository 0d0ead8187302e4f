"""The kinds of objects that the operator reads and writes, and where the API server keeps them.

What may be rendered, watched and listed is exactly this list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inventory_operator.api import metadata as meta


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of the Kubernetes API."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True
    #: Whether the API server may not have it: its CRD is somebody else's, and may come and go while we run.
    optional: bool = False
    #: Whether only the metadata of its objects is read: their managedFields say whether they are as they were applied.
    metadata_only: bool = False

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version inside the group."""
        return self.api_version.rpartition("/")[2]

    @property
    def page_size(self) -> int:
        """The most objects in a page of a list: an object with content can have more than 1 MiB."""
        return 500 if self.metadata_only else 10

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """Return the URL path of the collection or of one object."""
        parts = ["/apis" if self.group else "/api", self.api_version]
        if namespace and self.namespaced:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)


STACKS = Resource(meta.API_VERSION, meta.KIND, meta.PLURAL)
NAMESPACES = Resource("v1", "Namespace", "namespaces", namespaced=False)
LEASES = Resource("coordination.k8s.io/v1", "Lease", "leases")
EVENTS = Resource("v1", "Event", "events")
PODS = Resource("v1", "Pod", "pods")
#: Read for their owners and revisions: which pods are a Deployment's, and which of those are its newest.
REPLICA_SETS = Resource("apps/v1", "ReplicaSet", "replicasets", metadata_only=True)
SECRETS = Resource("v1", "Secret", "secrets")
CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps")
#: Read one by one, to tell that a claim waits for one that does not exist.
STORAGE_CLASSES = Resource("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False)
NETWORK_POLICIES = Resource("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", metadata_only=True)
CLUSTERS = Resource("postgresql.cnpg.io/v1", "Cluster", "clusters", optional=True)

#: What templates may render.
CHILDREN = (
    SECRETS,
    CONFIG_MAPS,
    Resource("v1", "ServiceAccount", "serviceaccounts", metadata_only=True),
    Resource("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    Resource("v1", "Service", "services", metadata_only=True),
    Resource("apps/v1", "Deployment", "deployments"),
    Resource("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    Resource("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", metadata_only=True),
    Resource("networking.k8s.io/v1", "Ingress", "ingresses", metadata_only=True),
    NETWORK_POLICIES,
    Resource("rbac.authorization.k8s.io/v1", "Role", "roles", metadata_only=True),
    Resource("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", metadata_only=True),
    Resource(
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        "clusterrolebindings",
        namespaced=False,
        metadata_only=True,
    ),
    CLUSTERS,
)

_BY_KIND = {resource.kind: resource for resource in (STACKS, PODS, REPLICA_SETS, *CHILDREN)}


def of(obj: dict[str, Any]) -> Resource:
    """Return the resource of an object by its `kind`; KeyError where the operator does not know it."""
    return _BY_KIND[obj["kind"]]


def watched(*, clusterwide: bool) -> tuple[Resource, ...]:
    """Return what is watched by label: every kind of child, and pods with their ReplicaSets for their state."""
    return tuple(resource for resource in (*CHILDREN, REPLICA_SETS, PODS) if clusterwide or resource.namespaced)
