"""CLUSTER=current: our images go to a registry (Debian's, on this machine) and the cluster pulls them from there."""

from __future__ import annotations

import os
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
import requests
import yaml
from tests.framework import processes
from tests.framework.api import eventually
from tests.framework.kube import Kube, restricted_pod

from devcluster import install, preflight
from devcluster.build.binaries import binary
from devcluster.images import builder
from devcluster.images.ownimages import OPERATOR, SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("images")

CONFIG = """\
version: 0.1
storage: {filesystem: {rootdirectory: %s}}
http: {addr: "127.0.0.1:%d"}
"""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    preflight.require_packages({"docker-registry": "docker-registry"})
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG % (tmp_path / "data", port))
    with (
        (tmp_path / "log").open("w") as log,
        processes.running(["docker-registry", "serve", config], stdout=log, stderr=log),
    ):
        eventually(lambda: answers(port), "the registry")
        yield f"localhost:{port}/team"


def answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/v2/", timeout=60).ok
    except requests.ConnectionError:
        return False


def test_images_go_through_the_registry(registry: str, namespace: Kube, tmp_path: Path) -> None:
    names = builder.push(registry)
    pod = restricted_pod("pulled", ["sleep", "infinity"])
    pod["spec"]["containers"][0] |= {"image": names[SERVICE], "imagePullPolicy": "Always"}
    namespace.apply(pod)
    namespace("wait", "--for=condition=Ready", "--timeout=300s", "pod/pulled")

    folder = tmp_path / "overlay"
    folder.mkdir()
    source = install._overlay(folder, names, {})
    rendered = subprocess.run(
        [binary("kubectl"), "kustomize", source], capture_output=True, text=True, check=True
    ).stdout
    deployment = next(it for it in yaml.safe_load_all(rendered) if it["kind"] == "Deployment")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == names[OPERATOR]
    assert {"name": "INVENTORY_SERVICE_IMAGE", "value": names[SERVICE]} in container["env"]
    assert len(container["env"]) > 1, "the patch keeps what is there"


def test_the_current_context_is_used_and_left_alone(cluster: Kube) -> None:
    command = ["make", "-s", "kubeconfig", "cluster-down", "CLUSTER=current"]
    env = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env, cwd=install.REPO)
    assert done.stdout.strip() == str(cluster.kubeconfig)
    assert "left alone" in done.stderr
    assert cluster.items("nodes")
