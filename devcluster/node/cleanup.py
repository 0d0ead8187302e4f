"""Takes the one-node cluster off the machine: programs, containers, mounts, cgroups, links, rules, files.

Reads what is there rather than what should be, so that it also works after a crash; safe to repeat.
"""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from devcluster import mounts
from devcluster.errors import ClusterError
from devcluster.node import network, servers
from devcluster.node.nodeconfig import RUNC_ROOT
from devcluster.paths import RUN, STATE
from devcluster.shell import succeeds

_CONTROLLERS = ("kube-scheduler", "kube-controller-manager", "kube-apiserver")
_NODE = ("local-path-provisioner", "coredns", "kube-proxy", "kubelet")
_RUNTIME = ("containerd", "containerd-shim-runc-v2")
SERVERS = ("etcd", *_CONTROLLERS, *_NODE, "containerd")

_CGROUPS = Path("/sys/fs/cgroup")
_CONTAINER_LOGS = Path("/var/log/containers")
#: Where containerd, the kubelet and the CNI plugins leave something whatever is configured.
_SHIM_SOCKETS = Path("/run/containerd/s")
_PLUGIN_SOCKET = Path("/var/lib/kubelet/device-plugins/kubelet.sock")
_LEFT_EMPTY = (
    _SHIM_SOCKETS,
    _SHIM_SOCKETS.parent,
    _PLUGIN_SOCKET.parent,
    _PLUGIN_SOCKET.parent.parent,
    Path("/var/lib/cni/results"),
    Path("/var/lib/cni/networks"),
    Path("/var/lib/cni"),
)


def running(*names: str) -> list[servers.Server]:
    """Return this cluster's running programs, of `names` when given."""
    return servers.find(names or (*SERVERS, *_RUNTIME), [STATE, RUN])


def stop_everything() -> None:
    """Leave nothing running or mounted; the state's files stay."""
    servers.stop(running(*_NODE), patience=0)
    _remove_containers()
    servers.stop(running(*_RUNTIME), patience=0)
    servers.stop(running(*_CONTROLLERS), patience=0)
    servers.stop(running("etcd"), patience=5)  # the only one with something to write down; it waits for its clients
    mounts.unmount(STATE, RUN)
    _remove_cgroups()
    network.remove()
    _remove_sockets()
    shutil.rmtree(RUN, ignore_errors=True)


def remove_state() -> None:
    """Remove the state's files, volumes included; never through a mount."""
    left = mounts.under(STATE, RUN)
    if left:
        raise ClusterError(f"{left[0]} is still mounted, so nothing was removed: unmount it and repeat")
    shutil.rmtree(STATE, ignore_errors=True)
    for link in _CONTAINER_LOGS.glob("*"):
        if link.is_symlink() and str(link.readlink()).startswith(f"{STATE}/"):
            link.unlink()
    _rmdir(_CONTAINER_LOGS)


def traces() -> list[str]:
    """Return what of the cluster is on this machine, in words; empty when it is clean."""
    programs = sorted({server.name for server in running()})
    mounted = len(mounts.under(STATE, RUN))
    return programs + ([f"{mounted} mounts"] if mounted else []) + network.traces()


def _remove_containers() -> None:
    """Kill the pods' processes; runc's own records name them, whether or not containerd and the shims still run."""
    records = [path for path in RUNC_ROOT.glob("*/*") if path.is_dir()]
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(_remove_container, records))


def _remove_container(record: Path) -> None:
    succeeds(["runc", "--root", record.parent, "delete", "--force", record.name], timeout=30)


def _remove_cgroups() -> None:
    """Remove empty pod groups; the kernel refuses one that still has a process, so those of other programs are safe."""
    for root in [*_CGROUPS.glob("kubepods"), *_CGROUPS.glob("*/kubepods")]:
        for group in sorted((it for it in root.rglob("*") if it.is_dir()), reverse=True):
            _rmdir(group)
        _rmdir(root)


def _rmdir(folder: Path) -> None:
    """Remove `folder` when it is empty; a folder of another program is not."""
    with suppress(OSError):
        folder.rmdir()


def _remove_sockets() -> None:
    """Remove the sockets that killed programs left outside our folders, when no program listens on them."""
    used = Path("/proc/net/unix").read_text()
    for path in [*_SHIM_SOCKETS.glob("*"), _PLUGIN_SOCKET]:
        if str(path) not in used:
            path.unlink(missing_ok=True)
    for folder in _LEFT_EMPTY:
        _rmdir(folder)
