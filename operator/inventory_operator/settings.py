"""What an administrator sets once for the whole operator, from flags or environment variables.

Whatever differs between stacks is in the custom resource.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from pathlib import Path

from inventory_operator.version import __version__

#: The one entry of `allowed_ingress_hosts` that is no host.
ANY = "*"
SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def variable(name: str) -> str:
    """Return the environment variable of a setting, by which people know it."""
    return f"INVENTORY_{name.upper()}"


def _own_namespace() -> str | None:
    """Return the namespace of the pod the operator runs in; None outside a cluster."""
    try:
        return SERVICE_ACCOUNT_NAMESPACE.read_text().strip() or None
    except OSError:
        return None


def _in_a_pod() -> bool:
    """Return whether the operator runs in a pod."""
    return SERVICE_ACCOUNT_NAMESPACE.exists()


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; times are in seconds."""

    #: The one namespace to work in; None is the whole cluster.
    namespace: str | None = None
    #: Where the Lease lives. Outside a cluster: the namespace worked in, else `default`.
    operator_namespace: str | None = field(default_factory=_own_namespace)
    identity: str = field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}")
    http_port: int = 8080
    log_format: str = "json"
    log_level: str = "INFO"
    service_image: str = f"docker.io/inventorystack/inventory-service:{__version__}"
    #: What stacks may have beyond their namespace is closed unless an administrator opens it. Whether their Prometheus
    #: may read the metrics of all containers from the kubelets:
    allow_kubelet_metrics: bool = False
    #: Hosts of their Ingresses: each entry is a host and everything below it; ANY is every host.
    allowed_ingress_hosts: tuple[str, ...] = ()
    #: Annotations of these, by their whole keys, and classes by their names.
    allowed_ingress_annotations: tuple[str, ...] = ()
    allowed_ingress_classes: tuple[str, ...] = ()
    #: For clusters whose kubelets serve self-signed certificates (kind, minikube): Prometheus does not verify them.
    kubelet_insecure_skip_verify: bool = False
    #: Where RUNBOOK.md is published, for the links of alerts; without it they lead to the stack's own Grafana.
    runbook_url: str | None = None
    #: Whether the pods of stacks are asked what the checks want to know; outside of a cluster nobody reaches them.
    probe_pods: bool = field(default_factory=_in_a_pod)
    #: Stacks worked on at the same time, and requests under way at the same time.
    workers: int = 16
    concurrency: int = 32
    #: Of the workers: what the stacks of one namespace have at the same time, at most.
    namespace_workers: int = 8
    #: Every stack is looked at this often without a change of anything.
    resync_seconds: float = 300.0
    #: First and longest pause before a failed reconcile is tried again.
    backoff_seconds: float = 0.05
    backoff_limit_seconds: float = 20.0
    #: client-go's defaults (k8s.io/client-go/tools/leaderelection): a standby takes over within lease + retry.
    lease_seconds: int = 15
    renew_deadline_seconds: float = 10.0
    retry_seconds: float = 2.0

    @property
    def clusterwide(self) -> bool:
        """Whether every namespace is worked in."""
        return self.namespace is None

    @property
    def kubelet_metrics(self) -> bool:
        """Whether stacks can have the metrics of their containers from the kubelets."""
        return self.clusterwide and self.allow_kubelet_metrics

    @property
    def lease_namespace(self) -> str:
        """The namespace of the Lease."""
        return self.operator_namespace or self.namespace or "default"
