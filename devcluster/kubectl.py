"""The built kubectl, for the commands of this package."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devcluster import paths
from devcluster.build.binaries import binary
from devcluster.errors import ClusterError
from devcluster.shell import run, succeeds

if TYPE_CHECKING:
    from collections.abc import Callable

_LINK = Path("/usr/local/bin/kubectl")


class Kubectl:
    """`kubectl --kubeconfig=...`, with its output as text or as objects."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def __call__(self, *words: str, stdin: str = "", timeout: float | None = None) -> str:
        """Return what kubectl prints; ClusterError when it fails."""
        return run([*self._command(), *words], stdin=stdin, timeout=timeout)

    def json(self, *words: str) -> Any:
        """Return the objects that kubectl prints with `-o json`."""
        return json.loads(self(*words, "-o", "json"))

    def succeeds(self, *words: str, timeout: float | None = None) -> bool:
        """Tell whether the command works."""
        return succeeds([*self._command(), *words], timeout=timeout)

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply `objects` server-side."""
        content = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self(
            "apply", "--server-side", "--force-conflicts", "--field-manager=inventory-cluster", "-f", "-", stdin=content
        )

    @property
    def program(self) -> Path:
        """Return the path of the program itself."""
        return binary("kubectl")

    def _command(self) -> list[str | Path]:
        return [self.program, f"--kubeconfig={self.kubeconfig}"]


def link() -> None:
    """Put the built kubectl on PATH while the cluster is there, unless this machine has one of its own."""
    if shutil.which("kubectl") is None and _LINK.parent.is_dir():
        unlink()
        _LINK.symlink_to(binary("kubectl"))


def unlink() -> None:
    """Take away the link that `link` made, and no other."""
    if _LINK.is_symlink() and paths.cache() in _LINK.readlink().parents:
        _LINK.unlink()


def wait_until(done: Callable[[], bool], what: str, seconds: float, poll: float = 0.1) -> None:
    """Return as soon as `done()`; ClusterError that names `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise ClusterError(f"waited {seconds:g} s for {what}")
        time.sleep(poll)
