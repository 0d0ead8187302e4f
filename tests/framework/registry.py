"""A registry of images on this machine: Debian's, while a block lasts."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import requests
from tests.framework import processes
from tests.framework.api import eventually
from tests.framework.server import free_port

from devcluster import preflight

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = """\
version: 0.1
storage: {filesystem: {rootdirectory: %s}}
http: {addr: "127.0.0.1:%d"}
"""


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Run a registry that keeps its images in `folder`; yields its address, which the node reaches, too."""
    preflight.require_packages({"docker-registry": "docker-registry"})
    port = free_port()
    config = folder / "config.yaml"
    config.write_text(CONFIG % (folder / "data", port))
    with (
        (folder / "log").open("w") as log,
        processes.running(["docker-registry", "serve", config], stdout=log, stderr=log),
    ):
        eventually(lambda: _answers(port), "the registry")
        yield f"localhost:{port}"


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/v2/", timeout=60).ok
    except (requests.ConnectionError, requests.Timeout):
        return False
