"""The kinds of objects that the operator reads and writes, and where the API server keeps them.

It never talks to the API server; what may be rendered, watched and listed is exactly this list.
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

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version inside the group."""
        return self.api_version.rpartition("/")[2]

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
SECRETS = Resource("v1", "Secret", "secrets")
CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps")
CLUSTERS = Resource("postgresql.cnpg.io/v1", "Cluster", "clusters", optional=True)

#: What templates may render.
CHILDREN = (
    SECRETS,
    CONFIG_MAPS,
    Resource("v1", "ServiceAccount", "serviceaccounts"),
    Resource("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    Resource("v1", "Service", "services"),
    Resource("apps/v1", "Deployment", "deployments"),
    Resource("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    Resource("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    Resource("networking.k8s.io/v1", "Ingress", "ingresses"),
    Resource("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    Resource("rbac.authorization.k8s.io/v1", "Role", "roles"),
    Resource("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
    Resource("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
    CLUSTERS,
)

_BY_KIND = {resource.kind: resource for resource in (STACKS, PODS, *CHILDREN)}


def of(obj: dict[str, Any]) -> Resource:
    """Return the resource of an object by its `kind`; KeyError where the operator does not know it."""
    return _BY_KIND[obj["kind"]]


def watched(*, clusterwide: bool) -> tuple[Resource, ...]:
    """Return what kopf watches by label: every kind of child that is always there, and pods for their state."""
    always = (resource for resource in (*CHILDREN, PODS) if not resource.optional)
    return tuple(resource for resource in always if clusterwide or resource.namespaced)
