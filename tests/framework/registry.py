"""A registry of images on this machine: Debian's, while a block lasts."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import requests
from tests.framework import processes
from tests.framework.api import eventually
from tests.framework.server import free_port

from devcluster import preflight

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TRIES = 3
CONFIG = """\
version: 0.1
storage: {filesystem: {rootdirectory: %s}}
http: {addr: "127.0.0.1:%d"}
"""


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Run a registry that keeps its images in `folder`; yields its address, which the node reaches, too."""
    preflight.require_packages({"docker-registry": "docker-registry"})
    with (folder / "log").open("w") as log, ExitStack() as started:
        # Somebody else may take the port before the registry does: then with another one.
        for _ in range(_TRIES):
            port = free_port()
            config = folder / "config.yaml"
            config.write_text(CONFIG % (folder / "data", port))
            command = ["docker-registry", "serve", config]
            process = started.enter_context(processes.running(command, stdout=log, stderr=log))
            eventually(lambda port=port, process=process: process.poll() is not None or _answers(port), "the registry")
            if process.poll() is None:
                break
        else:
            raise AssertionError(f"the registry ended:\n{(folder / 'log').read_text()}")
        yield f"localhost:{port}"


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/v2/", timeout=60).ok
    except (requests.ConnectionError, requests.Timeout):
        return False
