"""A small client for tests: what kubectl does, without starting a process for each request."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

import requests
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Object = dict[str, Any]
#: Seconds that a test waits for a condition: far more than any takes, so only what hangs reaches them.
PATIENCE = 300.0
#: The API server closes a connection after 90 s without a request, and a request that is sent just then is lost.
IDLE_SECONDS = 60.0
#: Reasons of what the operator tries again by itself, where no person has to do anything.
RETRIED = frozenset({"ApplyFailed", "DeleteFailed", "ReconcileFailed"})
T = TypeVar("T")
PATHS = {
    "InventoryStack": "apis/inventorystack.dev/v1alpha1/namespaces/{ns}/inventorystacks",
    "Deployment": "apis/apps/v1/namespaces/{ns}/deployments",
    "HorizontalPodAutoscaler": "apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers",
    "PodDisruptionBudget": "apis/policy/v1/namespaces/{ns}/poddisruptionbudgets",
    "Ingress": "apis/networking.k8s.io/v1/namespaces/{ns}/ingresses",
    "NetworkPolicy": "apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies",
    "Role": "apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles",
    "RoleBinding": "apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings",
    "ClusterRoleBinding": "apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "ClusterRole": "apis/rbac.authorization.k8s.io/v1/clusterroles",
    "CustomResourceDefinition": "apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "Lease": "apis/coordination.k8s.io/v1/namespaces/{ns}/leases",
    "Cluster": "apis/postgresql.cnpg.io/v1/namespaces/{ns}/clusters",
    "Namespace": "api/v1/namespaces",
    "ConfigMap": "api/v1/namespaces/{ns}/configmaps",
    "Event": "api/v1/namespaces/{ns}/events",
    "PersistentVolumeClaim": "api/v1/namespaces/{ns}/persistentvolumeclaims",
    "Pod": "api/v1/namespaces/{ns}/pods",
    "Secret": "api/v1/namespaces/{ns}/secrets",
    "Service": "api/v1/namespaces/{ns}/services",
    "ServiceAccount": "api/v1/namespaces/{ns}/serviceaccounts",
}
CHILD_KINDS = (
    *("ConfigMap", "Deployment", "HorizontalPodAutoscaler", "Ingress", "NetworkPolicy", "PersistentVolumeClaim"),
    *("PodDisruptionBudget", "Role", "RoleBinding", "Secret", "Service", "ServiceAccount"),
)
LABEL = "inventorystack.dev/stack"


class _Session(requests.Session):
    """Opens a connection anew after a pause in which the API server may have closed it."""

    _used = 0.0

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        if time.monotonic() - self._used > IDLE_SECONDS:
            self.close()
        try:
            return super().send(*args, **kwargs)
        finally:
            self._used = time.monotonic()


class Api:
    """One API server as one user; every verb raises AssertionError with the server's sentence when refused."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.server = cluster["server"]
        self._session = _Session()
        self._session.trust_env = False  # else the machine's own CA bundle takes the place of the cluster's
        self._session.verify = _file(kubeconfig, cluster, "certificate-authority")
        self._session.cert = (_file(kubeconfig, user, "client-certificate"), _file(kubeconfig, user, "client-key"))

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        *,
        headers: Mapping[str, str] | None = None,
        **query: str,
    ) -> requests.Response:
        return self._session.request(
            method,
            f"{self.server}/{path}",
            params=query,
            data=None if body is None else json.dumps(body),
            headers={"Content-Type": content_type, **(headers or {})},
            timeout=PATIENCE,
        )

    def _answered(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request again where the answer asks for that, as clients of Kubernetes do."""
        deadline = time.monotonic() + PATIENCE
        while "Retry-After" in (response := self.request(*args, **kwargs)).headers and time.monotonic() < deadline:
            time.sleep(float(response.headers["Retry-After"]))
        return response

    def _do(self, *args: Any, **kwargs: Any) -> Object:
        response = self._answered(*args, **kwargs)
        assert response.ok, f"{args[:2]}: {response.status_code} {response.json().get('message')}"
        answer: Object = response.json()
        return answer

    def path(self, kind: str, ns: str | None, name: str = "") -> str:
        return PATHS[kind].format(ns=ns) + (f"/{name}" if name else "")

    def get(self, kind: str, ns: str | None, name: str) -> Object | None:
        response = self._answered("GET", self.path(kind, ns, name))
        if response.status_code == 404:
            return None
        assert response.ok, response.text
        answer: Object = response.json()
        return answer

    def list(self, kind: str, ns: str | None, selector: str = "") -> list[Object]:
        answer = self._do("GET", self.path(kind, ns), labelSelector=selector)
        return [{"kind": kind, **item} for item in answer["items"]]

    def create(self, obj: Object, ns: str | None = None) -> Object:
        return self._do("POST", self.path(obj["kind"], ns), obj)

    def apply(self, obj: Object, ns: str | None = None, manager: str = "tester") -> Object:
        path = self.path(obj["kind"], ns, obj["metadata"]["name"])
        return self._do("PATCH", path, obj, "application/apply-patch+yaml", fieldManager=manager, force="true")

    def patch(self, kind: str, ns: str | None, name: str, patch: Any, subresource: str = "") -> Object:
        path = self.path(kind, ns, name) + (f"/{subresource}" if subresource else "")
        return self._do("PATCH", path, patch, "application/merge-patch+json", fieldManager="tester")

    def strategic(self, kind: str, ns: str | None, name: str, patch: Any) -> Object:
        path = self.path(kind, ns, name)
        return self._do("PATCH", path, patch, "application/strategic-merge-patch+json", fieldManager="tester")

    def stream(self, path: str, **query: str) -> requests.Response:
        """Begin a watch: each line of the answer is an event."""
        response = self._session.get(f"{self.server}/{path}", params=query, stream=True, timeout=PATIENCE)
        assert response.ok, response.text
        return response

    def delete(self, kind: str, ns: str | None, name: str, propagation: str = "Background") -> None:
        self._do("DELETE", self.path(kind, ns, name), {"propagationPolicy": propagation})

    def children(self, ns: str, stack: str) -> dict[tuple[str, str], Object]:
        """Every namespaced child of a stack by kind and name."""
        found = [obj for kind in CHILD_KINDS for obj in self.list(kind, ns, f"{LABEL}={stack}")]
        return {(obj["kind"], obj["metadata"]["name"]): obj for obj in found}


def _file(kubeconfig: Path, entry: Object, key: str) -> str:
    """Return the path of a certificate or key, which requests wants as a file."""
    if key in entry:
        return str(entry[key])
    path = kubeconfig.with_suffix(f".{key}.pem")
    content = base64.b64decode(entry[f"{key}-data"])
    if not path.exists() or path.read_bytes() != content:
        # Others may be reading it: it is there as a whole, or not at all.
        wip = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        wip.write_bytes(content)
        wip.rename(path)
    return str(path)


def stack(name: str = "shop", spec: Object | None = None) -> Object:
    """An InventoryStack as a user writes it."""
    metadata = {"name": name}
    return {
        "apiVersion": "inventorystack.dev/v1alpha1",
        "kind": "InventoryStack",
        "metadata": metadata,
        "spec": spec or {},
    }


def eventually(look: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
    """Return the first true answer of `look`; the test fails with what was waited for and the last answer.

    It looks less and less often, up to twice a second: what takes long costs little.
    """
    deadline, pause = time.monotonic() + seconds, 0.02
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}; last seen: {found!r}"
        time.sleep(pause)
        pause = min(pause * 1.3, 0.5)
    return found


def condition(obj: Object | None, condition_type: str) -> Object:
    """One condition of a stack; an empty dict while it is not there."""
    conditions = (obj or {}).get("status", {}).get("conditions", ())
    return next((c for c in conditions if c["type"] == condition_type), {})


def is_taken_in(obj: Object | None) -> bool:
    """Tell whether a stack's status is about its newest spec, and the operator tries nothing of it again by itself."""
    if not obj or obj.get("status", {}).get("observedGeneration") != obj["metadata"]["generation"]:
        return False
    reasons = {one["reason"] for one in obj["status"].get("conditions", ())}
    return condition(obj, "Stalled").get("status") == "True" or bool(reasons and not reasons & RETRIED)
