"""The command lines of etcd, kube-apiserver and kube-controller-manager, shared by both kinds of cluster.

The policy of the audit log is written as a file; nothing is started here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devcluster.build.binaries import binary

if TYPE_CHECKING:
    from devcluster.node.pki import Pki

SERVICE_RANGE = "10.96.0.0/16"
SERVICE_ADDRESS = "10.96.0.1"

Argv = list[str | Path]

#: Writes are counted by the tests: who wrote what, without bodies, each request once.
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "None", "verbs": ["get", "list", "watch"]}, {"level": "Metadata"}],
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where one control plane lives: folder, ports, address that it tells others."""

    folder: Path
    api_port: int
    etcd_port: int
    etcd_peer_port: int
    address: str = "127.0.0.1"

    @property
    def log(self) -> Path:
        """Return the folder of the logs."""
        return self.folder / "log"

    @property
    def audit_log(self) -> Path:
        """Return the file with one JSON line per write request."""
        return self.log / "audit.log"

    @property
    def url(self) -> str:
        """Return the address of the API server for programs on this machine."""
        return f"https://127.0.0.1:{self.api_port}"


def etcd(place: Place) -> Argv:
    """Return the command line of etcd; its writes aren't synced: this data is worth nothing after a power cut."""
    client, peer = (f"http://127.0.0.1:{port}" for port in (place.etcd_port, place.etcd_peer_port))
    return [
        binary("etcd"),
        f"--data-dir={place.folder}/etcd",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def kube_apiserver(place: Place, pki: Pki, *extra: str) -> Argv:
    """Return the command line of the API server, with an audit log of every write request."""
    policy = place.folder / "audit-policy.json"
    policy.write_text(json.dumps(_AUDIT_POLICY))
    return [
        binary("kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{place.etcd_port}",
        f"--secure-port={place.api_port}",
        f"--advertise-address={place.address}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--authorization-mode=Node,RBAC",
        f"--client-ca-file={pki.certificate('ca')}",
        f"--tls-cert-file={pki.certificate('apiserver')}",
        f"--tls-private-key-file={pki.key('apiserver')}",
        f"--service-account-key-file={pki.folder}/sa.pub",
        f"--service-account-signing-key-file={pki.key('sa')}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--audit-policy-file={policy}",
        f"--audit-log-path={place.audit_log}",
        "--audit-log-maxsize=100",
        "--audit-log-maxbackup=2",
        *extra,
    ]


def kube_controller_manager(pki: Pki, kubeconfig: Path, *extra: str) -> Argv:
    """Return the command line of the controller manager; it serves nothing, so that any number can run."""
    return [
        binary("kube-controller-manager"),
        f"--kubeconfig={kubeconfig}",
        f"--root-ca-file={pki.certificate('ca')}",
        f"--service-account-private-key-file={pki.key('sa')}",
        f"--cluster-signing-cert-file={pki.certificate('ca')}",
        f"--cluster-signing-key-file={pki.key('ca')}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        "--secure-port=0",
        *extra,
    ]
