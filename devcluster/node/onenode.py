"""The one-node cluster: up, down, healthy.

There is one per machine, under a lock; every step is safe to repeat after a crash.
"""

from __future__ import annotations

import json
import shutil
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from devcluster import lock, paths, preflight
from devcluster.build import binaries
from devcluster.errors import ClusterError, RefusedError
from devcluster.images import nodeimages
from devcluster.images.standins import BASE
from devcluster.kubectl import Kubectl, link, unlink, wait_until
from devcluster.node import apiserver, cleanup, network, nodeconfig, preparation, servers
from devcluster.node.apiserver import Argv, Place
from devcluster.node.pki import SERVICE_NAMES, Pki
from devcluster.paths import KUBECONFIG, RUN, SOCKET, STATE
from devcluster.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

_PLACE = Place(STATE, api_port=6443, etcd_port=23790, etcd_peer_port=23800, address=network.NODE_ADDRESS)
_PORTS = {6443: "kube-apiserver", 23790: "etcd", 23800: "etcd", 10250: "kubelet", 10248: "kubelet"}
_CONF, _LOG, _CNI = STATE / "conf", STATE / "log", STATE / "cni"
_USERS = {
    "admin": ("admin", ["system:masters"]),
    "controllers": ("system:kube-controller-manager", []),
    "scheduler": ("system:kube-scheduler", []),
    "kubelet": (f"system:node:{nodeconfig.NODE}", ["system:nodes"]),
    "proxy": ("system:kube-proxy", []),
    "kubelet-client": ("kubelet-client", ["system:masters"]),
}
#: Only what hangs reaches it, also on a machine that does much else meanwhile.
_READY_SECONDS = 300
#: For how long the node of a cluster whose programs all run may seem not to be ready: the machine may give it no time.
_SLOW_SECONDS, _POLL_SECONDS = 60, 0.5


def up() -> bool:
    """Start the cluster and wait until its node is ready; False when it already was."""
    preflight.require_linux_root()
    progress = Progress({})
    if binaries.missing(["all"]) or not _becomes_healthy():
        progress = preparation.prepare()
    if is_healthy():
        nodeimages.ensure_stand_ins()
        link()
        return False
    with preparation.images_beside(progress), lock.exclusive(paths.LOCK):
        if _becomes_healthy():
            return False
        cleanup.stop_everything()
        _refuse_taken_ports()
        _start()
        link()
    return True


def down(*, keep: bool) -> None:
    """Stop the cluster and clean up; with `keep` its objects, volumes and images are there at the next start."""
    preflight.require_linux_root()
    with lock.exclusive(paths.LOCK):
        cleanup.stop_everything()
        unlink()
        if not keep:
            cleanup.remove_state()


def is_healthy() -> bool:
    """Tell whether every program runs, the API server answers and the node is ready."""
    return _all_run() and _node_is_ready()


def _all_run() -> bool:
    names = {server.name for server in cleanup.running(*cleanup.SERVERS) if server.program.exists()}
    return names == set(cleanup.SERVERS) and KUBECONFIG.exists()


def _becomes_healthy() -> bool:
    """Tell whether it is healthy; one whose programs all run gets some time: it would be stopped under its users."""
    deadline = time.monotonic() + _SLOW_SECONDS
    while _all_run():
        if _node_is_ready():
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return False


def _refuse_taken_ports() -> None:
    for port, name in _PORTS.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))  # noqa: S104 - bound for a moment, never listening
            except OSError as error:
                raise RefusedError(
                    f"port {port}, which {name} needs, is taken by another program: stop that first"
                ) from error


def _start() -> None:
    began = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for folder in (_CONF, _LOG, _CNI, nodeconfig.VOLUMES, STATE / "kubelet", STATE / "pod-logs", RUN):
        folder.mkdir(parents=True, exist_ok=True)
    STATE.chmod(0o711)  # volumes are reached through it; keys are not for everybody
    pki = _make_keys()
    network.add()
    with ThreadPoolExecutor(1) as beside:
        runtime = beside.submit(_start_runtime)
        _start_control_plane(pki)
        _start_node(runtime)
    wait_until(lambda: _node_is_ready(began), f"the node to be ready, see {_LOG}/kubelet.log", _READY_SECONDS)


def _make_keys() -> Pki:
    pki = Pki(STATE / "pki")
    node = [f"IP:{network.NODE_ADDRESS}", "IP:127.0.0.1", "DNS:localhost"]
    names = [f"DNS:{name}" for name in SERVICE_NAMES]
    pki.sign("apiserver", "kube-apiserver", alternatives=[*names, *node, f"IP:{apiserver.SERVICE_ADDRESS}"])
    for name, (user, groups) in _USERS.items():
        pki.sign(name, user, groups, [f"DNS:{nodeconfig.NODE}", *node] if name == "kubelet" else ())
        pki.kubeconfig(_kubeconfig(name), _PLACE.url, name)
    return pki


def _kubeconfig(user: str) -> Path:
    return KUBECONFIG if user == "admin" else _CONF / f"{user}.kubeconfig"


def _launch(name: str, argv: Argv) -> None:
    path = f"{binaries.binary('containerd').parent}:{_system_path()}"
    # The kubelet's cAdvisor asks the containerd there for the names of containers.
    servers.start(argv, _LOG / f"{name}.log", {"PATH": path, "CONTAINERD_ADDRESS": str(SOCKET)})


def _system_path() -> str:
    return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _start_runtime() -> None:
    """Start containerd; the kubelet exits when it can't connect to it."""
    config = _CONF / "containerd.toml"
    config.write_text(nodeconfig.containerd(shutil.which("runc", path=_system_path()) or "runc"))
    (_CNI / "10-pods.conflist").write_text(json.dumps(network.cni_configuration(RUN / "leases")))
    _launch("containerd", [binaries.binary("containerd"), "-c", config])
    wait_until(nodeimages.answers, f"containerd, see {_LOG}/containerd.log", _READY_SECONDS)
    nodeimages.ensure_stand_ins()


def _start_control_plane(pki: Pki) -> None:
    kubelet_access = (
        f"--kubelet-client-certificate={pki.certificate('kubelet-client')}",
        f"--kubelet-client-key={pki.key('kubelet-client')}",
        f"--kubelet-certificate-authority={pki.certificate('ca')}",
        "--kubelet-preferred-address-types=InternalIP",
        "--allow-privileged=true",
    )
    _launch("etcd", apiserver.etcd(_PLACE))
    _launch("kube-apiserver", apiserver.kube_apiserver(_PLACE, pki, *kubelet_access))
    admin = Kubectl(KUBECONFIG)
    wait_until(
        lambda: admin.succeeds("get", "--raw", "/readyz"),
        f"the API server, see {_LOG}/kube-apiserver.log",
        _READY_SECONDS,
    )
    controllers = apiserver.kube_controller_manager(
        pki,
        _kubeconfig("controllers"),
        f"--cluster-cidr={network.POD_RANGE}",
        "--allocate-node-cidrs",
        # There is no other node for its pods: they are not lost where a kubelet gets no time for a minute.
        "--node-monitor-grace-period=5m",
    )
    _launch("kube-controller-manager", controllers)
    scheduler = [f"--kubeconfig={_kubeconfig('scheduler')}", "--leader-elect=false", "--secure-port=0"]
    _launch("kube-scheduler", [binaries.binary("kube-scheduler"), *scheduler])


def _start_node(runtime: Future[None]) -> None:
    for name, content in (
        ("kubelet.yaml", json.dumps(nodeconfig.kubelet())),
        ("proxy.yaml", json.dumps(nodeconfig.kube_proxy(_kubeconfig("proxy")))),
        ("Corefile", nodeconfig.corefile(KUBECONFIG)),
    ):
        (_CONF / name).write_text(content)
    runtime.result()
    identity = [f"--hostname-override={nodeconfig.NODE}", f"--node-ip={network.NODE_ADDRESS}"]
    files = [f"--config={_CONF}/kubelet.yaml", f"--kubeconfig={_kubeconfig('kubelet')}", f"--root-dir={STATE}/kubelet"]
    _launch("kubelet", [binaries.binary("kubelet"), *files, *identity])
    _launch("kube-proxy", [binaries.binary("kube-proxy"), f"--config={_CONF}/proxy.yaml"])
    _launch("coredns", [binaries.binary("coredns"), "-conf", _CONF / "Corefile"])
    _start_provisioner()


def _start_provisioner() -> None:
    """Start the maker of volumes; it runs on the host and makes each folder with a helper pod."""
    config, helper = json.dumps(nodeconfig.volume_paths()), nodeconfig.helper_pod(BASE)
    (_CONF / "volumes.json").write_text(config)
    (_CONF / "helper-pod.yaml").write_text(helper)
    Kubectl(KUBECONFIG).apply(*nodeconfig.storage_objects(config, helper))
    words = {
        "config": _CONF / "volumes.json",
        "kubeconfig": KUBECONFIG,
        "namespace": nodeconfig.STORAGE_NAMESPACE,
        "configmap-name": nodeconfig.STORAGE_CONFIG,
        "service-account-name": "local-path-provisioner",
        "helper-image": BASE,
        "helper-pod-file": _CONF / "helper-pod.yaml",
    }
    flags = [str(word) for name, value in words.items() for word in (f"--{name}", value)]
    _launch("local-path-provisioner", [binaries.binary("local-path-provisioner"), "start", *flags])


def _node_is_ready(since: str = "") -> bool:
    """Tell whether the node said so, and not before `since`: a kept cluster still has what its node said last."""
    try:
        node = Kubectl(KUBECONFIG).json("get", "node", nodeconfig.NODE, "--request-timeout=5s")
    except ClusterError:
        return False
    return any(
        it["type"] == "Ready" and it["status"] == "True" and it["lastHeartbeatTime"] >= since
        for it in node["status"].get("conditions", ())
    )
