"""The cluster is a cluster: pods, DNS, Services, exec, logs, volumes, container metrics, safe to repeat."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import suppress

import psutil
import pytest
from tests.framework.api import PATIENCE, eventually
from tests.framework.kube import Kube, restricted_pod

from devcluster import paths
from devcluster.node import onenode

pytestmark = pytest.mark.xdist_group("images")

FOREVER = ["sleep", "infinity"]
SERVER = ["python3", "-m", "http.server", "--directory", "/tmp", "8000"]


def start(namespace: Kube, *pods: dict) -> None:
    namespace.apply(*pods)
    names = [f"pod/{pod['metadata']['name']}" for pod in pods]
    namespace("wait", "--for=condition=Ready", "--timeout=300s", *names)


def test_a_pod_runs_logs_and_takes_commands(namespace: Kube) -> None:
    start(namespace, restricted_pod("talker", ["sh", "-c", "echo hello; sleep infinity"]))
    assert eventually(lambda: namespace("logs", "talker"), "a log line") == "hello\n"
    assert namespace("exec", "talker", "--", "id", "-u") == "1000\n"


def test_a_service_is_found_by_its_name_and_answers(namespace: Kube) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8000, "protocol": "TCP"}]},
    }
    namespace.apply(service)
    start(namespace, restricted_pod("web", SERVER), restricted_pod("client", FOREVER))
    ask = f"import urllib.request as u; print(u.urlopen('http://web.{namespace.namespace}.svc', timeout=60).status)"

    def answer() -> str:
        return namespace.run("exec", "client", "--", "python3", "-c", ask, check=False).stdout

    assert eventually(answer, "an answer through the Service") == "200\n"


def test_an_address_of_no_service_is_refused_and_does_not_leave_the_node(namespace: Kube) -> None:
    """What answers beyond the gateway would be taken for a Service while kube-proxy is about to write its rules."""
    free = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "gone"}, "spec": {"ports": [{"port": 80}]}}
    namespace.apply(free)
    address = namespace("get", "service", "gone", "-o", "jsonpath={.spec.clusterIP}")
    namespace("delete", "service", "gone")
    start(namespace, restricted_pod("client", FOREVER))
    ask = f"""
import socket
try:
    socket.create_connection(("{address}", 80), timeout=60)
except OSError as error:
    print(type(error).__name__)
"""
    assert namespace("exec", "client", "--", "python3", "-c", ask) == "ConnectionRefusedError\n"


def test_a_pod_reaches_the_api_server(namespace: Kube) -> None:
    start(namespace, restricted_pod("client", FOREVER))
    script = """
import ssl, urllib.request
folder = "/var/run/secrets/kubernetes.io/serviceaccount/"
trust = ssl.create_default_context(cafile=folder + "ca.crt")
bearer = {"Authorization": "Bearer " + open(folder + "token").read()}
request = urllib.request.Request("https://kubernetes.default.svc/version", headers=bearer)
print(urllib.request.urlopen(request, context=trust, timeout=60).status)
"""

    def answer() -> str:
        return namespace.run("exec", "client", "--", "python3", "-c", script, check=False).stdout

    assert eventually(answer, "an answer of the API server") == "200\n"


def test_a_volume_outlives_its_pod(namespace: Kube) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}},
    }
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    pod = restricted_pod("writer", FOREVER, volumes=volumes, mounts=[{"name": "data", "mountPath": "/data"}])
    namespace.apply(claim)
    start(namespace, pod)
    namespace("exec", "writer", "--", "sh", "-c", "echo kept > /data/file")
    namespace("delete", "pod", "writer", "--wait")
    start(namespace, pod)
    assert namespace("exec", "writer", "--", "cat", "/data/file") == "kept\n"


def test_the_kubelet_has_container_metrics_with_names(namespace: Kube, cluster: Kube) -> None:
    start(namespace, restricted_pod("measured", FOREVER))
    node = cluster.items("nodes")[0]["metadata"]["name"]
    wanted = re.compile(
        rf'container_memory_working_set_bytes{{container="main",[^}}]*namespace="{namespace.namespace}",pod="measured"'
    )
    eventually(
        lambda: wanted.search(cluster.raw(f"/api/v1/nodes/{node}/proxy/metrics/cadvisor")), "the container's memory"
    )


def test_restricted_pod_security_is_enforced(namespace: Kube) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "root"},
        "spec": {"containers": [{"name": "main", "image": "localhost/pause:1"}]},
    }
    with pytest.raises(AssertionError, match='violates PodSecurity "restricted'):
        namespace.apply(pod)


def test_our_images_are_there_and_run_as_a_user_without_rights(namespace: Kube) -> None:
    for short, user in (("service", "10001"), ("operator", "65532")):
        pod = restricted_pod(short, FOREVER)
        container = pod["spec"]["containers"][0]
        container["image"] = f"docker.io/inventorystack/inventory-{short}:0.1.0"
        container["securityContext"]["readOnlyRootFilesystem"] = True
        del pod["spec"]["securityContext"]["runAsUser"]
        start(namespace, pod)
        assert namespace("exec", short, "--", "id", "-u") == f"{user}\n"
        assert namespace.run("exec", short, "--", "python", "-c", f"import inventory_{short}").returncode == 0
    other = namespace.run("exec", "service", "--", "python", "-c", "import inventory_operator", check=False)
    assert "ModuleNotFoundError" in other.stderr
    for tool in ("promtool", "amtool"):
        assert tool in namespace("exec", "operator", "--", tool, "--version")


def programs() -> set[int]:
    """The cluster's programs; a child of one that is about to become another program still has its parent's name."""
    parents = {}
    for server in onenode.cleanup.running(*onenode.cleanup.SERVERS):
        with suppress(psutil.NoSuchProcess):
            parents[server.pid] = psutil.Process(server.pid).ppid()
    return {pid for pid, parent in parents.items() if parent not in parents}


def test_up_leaves_a_running_cluster_alone(cluster: Kube) -> None:
    if cluster.kubeconfig != paths.KUBECONFIG:
        pytest.fail("this test is about the embedded cluster: run it with CLUSTER=embedded")
    before = programs()
    command = [sys.executable, "-m", "devcluster", "--cluster=embedded", "up"]
    said = subprocess.run(command, cwd=paths.REPO, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout
    assert "is running" in said
    assert programs() == before
