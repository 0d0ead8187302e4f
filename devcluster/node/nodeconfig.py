"""The configuration files of the node's programs, as data. `onenode` writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from devcluster.images.standins import PAUSE
from devcluster.node.network import DNS_ADDRESS, POD_RANGE
from devcluster.paths import RUN, SOCKET, STATE

if TYPE_CHECKING:
    from pathlib import Path

NODE = "node1"
STORAGE_CLASS = "local-path"
STORAGE_NAMESPACE = "local-path-storage"
STORAGE_CONFIG = "local-path-config"
VOLUMES = STATE / "volumes"
RUNC_ROOT = RUN / "runc"

#: Kept beside the state, not under /var/lib/containerd or /run/containerd: other users of containerd stay undisturbed.
_CONTAINERD = """\
version = 3
root = "{state}/containerd"
state = "{run}/containerd"
[grpc]
  address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{state}/containerd/opt"
[plugins."io.containerd.nri.v1.nri"]
  disable = true
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{pause}"
[plugins."io.containerd.cri.v1.runtime"]
  # In a VM without CAP_SYS_RESOURCE runc may not lower the score, and dies with
  # "can't get final child's PID from pipe: EOF".
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = "{state}/cni"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = "{runc}"
      Root = "{runc_root}"
      SystemdCgroup = false
"""

_COREFILE = """\
.:53 {{
  bind {address}
  errors
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {kubeconfig} local
  }}
  forward . /etc/resolv.conf
  cache 5
}}
"""

_SETUP = '#!/bin/sh\nmkdir -m 0777 -p "$VOL_DIR"\n'
_TEARDOWN = '#!/bin/sh\nrm -rf "$VOL_DIR"\n'


def containerd(runc: str) -> str:
    """Return containerd's configuration; `runc` is the path of that program."""
    return _CONTAINERD.format(state=STATE, run=RUN, socket=SOCKET, pause=PAUSE, runc=runc, runc_root=RUNC_ROOT)


def corefile(kubeconfig: Path) -> str:
    """Return CoreDNS' configuration."""
    return _COREFILE.format(address=DNS_ADDRESS, kubeconfig=kubeconfig)


def kubelet() -> dict[str, Any]:
    """Return the kubelet's configuration: works on cgroup v1 and v2, evicts late, collects no image."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "failSwapOn": False,
        "cgroupDriver": "cgroupfs",
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{STATE}/pki/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{STATE}/pki/kubelet.crt",
        "tlsPrivateKeyFile": f"{STATE}/pki/kubelet.key",
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": "cluster.local",
        "resolvConf": "/etc/resolv.conf",
        "podLogsDir": f"{STATE}/pod-logs",
        "volumePluginDir": f"{STATE}/kubelet/volume-plugins",
        "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%", "memory.available": "100Mi"},
        "imageGCHighThresholdPercent": 100,
        "serializeImagePulls": False,
        # An image that is on the node is used, also when the same one was once pulled under another name.
        "imagePullCredentialsVerificationPolicy": "NeverVerify",
    }


def kube_proxy(kubeconfig: Path) -> dict[str, Any]:
    """Return kube-proxy's configuration; conntrack's limits are the machine's, not ours to change."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": POD_RANGE,
        "hostnameOverride": NODE,
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
    }


def volume_paths() -> dict[str, Any]:
    """Return where local-path-provisioner makes its folders."""
    return {"nodePathMap": [{"node": "DEFAULT_PATH_FOR_NON_LISTED_NODES", "paths": [str(VOLUMES)]}]}


def helper_pod(image: str) -> str:
    """Return the pod that makes and removes the folder of a volume."""
    container = f'{{name: helper-pod, image: "{image}", imagePullPolicy: IfNotPresent}}'
    return f"apiVersion: v1\nkind: Pod\nmetadata: {{name: helper-pod}}\nspec: {{containers: [{container}]}}\n"


def storage_objects(config: str, helper: str) -> list[dict[str, Any]]:
    """Return the API objects that local-path-provisioner needs; `config` and `helper` are its files' contents."""
    inside = {"namespace": STORAGE_NAMESPACE}
    files = {"config.json": config, "helperPod.yaml": helper, "setup": _SETUP, "teardown": _TEARDOWN}
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": STORAGE_NAMESPACE}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": STORAGE_CONFIG, **inside}, "data": files},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "local-path-provisioner", **inside}},
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": STORAGE_CLASS, "annotations": default},
            "provisioner": "rancher.io/local-path",
            "volumeBindingMode": "WaitForFirstConsumer",
            "reclaimPolicy": "Delete",
        },
    ]
