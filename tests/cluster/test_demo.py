"""Whether an image can be had, asked of the real node and of a real registry (Debian's, on this machine)."""

from __future__ import annotations

import os
import platform
import socket
from typing import TYPE_CHECKING

import pytest
from tests.framework import registry as registries
from tests.framework.api import PATIENCE

from devcluster.build.binaries import binary
from devcluster.images import archive, nodeimages, registry
from devcluster.images.archive import Entry, Image
from devcluster.paths import SOCKET
from devcluster.shell import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.framework.kube import Kube

pytestmark = pytest.mark.xdist_group("images")


@pytest.fixture
def address(cluster: Kube, tmp_path: Path) -> Iterator[str]:
    """A running registry; `cluster` fails where there is no node."""
    del cluster
    with registries.running(tmp_path) as found:
        yield found


@pytest.fixture
def image(address: str, tmp_path: Path) -> Iterator[str]:
    """A small image that is on the node only, under a name of the registry."""
    name = f"{address}/team/small-{os.getpid()}:1"
    layer = archive.write_layer(tmp_path / "layer.tar", [Entry("small", name.encode(), 0o644)])
    archive.write(tmp_path / "small.tar", [Image(name, (layer,))], platform.machine())
    nodeimages.put(tmp_path / "small.tar", {})
    digest = ctr("images", "list", f"name=={name}").splitlines()[1].split()[2]
    yield name
    # The runtime of the pods has a second name for each image.
    for each in ctr("images", "list", "--quiet", f"target.digest=={digest}").split():
        nodeimages.drop(each)


def ctr(*words: str) -> str:
    return run([binary("ctr"), "--address", SOCKET, "--namespace", "k8s.io", *words])


def test_an_image_can_be_had_from_the_node_and_from_its_registry(image: str) -> None:
    repository, _, _ = image.rpartition(":")
    assert nodeimages.has(image)
    assert registry.missing_reason(image, PATIENCE) == ""
    assert registry.missing_reason(f"{repository}:2", PATIENCE) == "not found"

    ctr("images", "push", image)
    nodeimages.drop(image)
    assert registry.missing_reason(image, PATIENCE) == ""
    assert not nodeimages.has(image), "asked for, not pulled"


def test_a_registry_that_is_not_there_says_so(image: str) -> None:
    port = image.partition("/")[0].rpartition(":")[2]
    nodeimages.drop(image)
    elsewhere = image.replace(f":{port}/", ":1/")
    assert registry.missing_reason(elsewhere, PATIENCE).endswith("connect: connection refused")


def test_a_registry_that_never_answers_is_not_waited_for(cluster: Kube) -> None:
    del cluster
    with socket.create_server(("127.0.0.1", 0)) as silent:
        image = f"localhost:{silent.getsockname()[1]}/team/small:1"
        assert registry.missing_reason(image, 1) == "no answer from its registry within 1 s"
