"""The commands of the pages that need real pods: what the README does, then all others on the stack that it makes.

Other than for a reader, the stack of the example has no Grafana, whose image can't be had here.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import yaml
from tests.framework.api import eventually
from tests.framework.documents import CLUSTER, shell_blocks
from tests.framework.stacks import NO_GRAFANA, is_ready, pods
from tests.framework.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.framework.api import Api
    from tests.framework.kube import Kube

pytestmark = pytest.mark.xdist_group("images")

PAGES = shell_blocks(CLUSTER)


@pytest.fixture(scope="module")
def terminal(installed: None, cluster: Kube, api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """In the namespace and with the stack that the commands of the README make."""
    name = f"test-documents-{os.getpid()}"
    try:
        with Terminal(cluster.kubeconfig, tmp_path_factory.mktemp("reader") / "home", name) as terminal:
            example = terminal.folder / "examples/shop.yaml"
            stack = yaml.safe_load(example.read_text())
            stack["spec"] |= NO_GRAFANA
            example.write_text(yaml.safe_dump(stack))
            terminal.run(PAGES["README.md"])
            terminal.end()
            yield terminal
    finally:
        cluster("delete", "namespace", name, "--ignore-not-found", "--wait=false")


@pytest.mark.parametrize("page", sorted(PAGES.keys() - {"README.md"}))
def test_the_commands_of_a_page_work(page: str, terminal: Terminal, api: Api) -> None:
    (pod,) = pods(api, terminal.namespace, "shop", "service")
    terminal.words = {"POD": pod["metadata"]["name"], "ID": "1"}
    try:
        terminal.run(PAGES[page])
    finally:
        terminal.end()


def test_after_all_of_them_the_stack_is_ready(terminal: Terminal, api: Api) -> None:
    eventually(lambda: is_ready(api, terminal.namespace), "the stack to be Ready")
