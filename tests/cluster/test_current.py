"""CLUSTER=current: our images go to a registry (Debian's, on this machine) and the cluster pulls them from there."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml
from tests.framework import registry as registries
from tests.framework.kube import Kube, restricted_pod

from devcluster import install
from devcluster.build.binaries import binary
from devcluster.images import builder
from devcluster.images.ownimages import OPERATOR, SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("images")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    with registries.running(tmp_path) as address:
        yield f"{address}/team"


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
