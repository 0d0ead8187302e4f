"""The images in the node's containerd: which there are, what they were made from, and adding and removing them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devcluster.build.binaries import binary
from devcluster.images import standins
from devcluster.paths import SOCKET
from devcluster.shell import run, succeeds

if TYPE_CHECKING:
    from pathlib import Path

#: On each image that was put here: the digest of what it was made from.
_LABEL = "inventory-cluster.inputs"


def answers() -> bool:
    """Tell whether containerd is up."""
    return succeeds([*_ctr(), "version"], timeout=10)


def ensure_stand_ins() -> bool:
    """Put the stand-ins for the public images on the node; False when they are there already."""
    digest = standins.digest()
    if inputs().get(standins.PAUSE) == digest:
        return False
    put(
        standins.ensure(),
        dict.fromkeys((standins.BASE, standins.PROMETHEUS, standins.ALERTMANAGER, standins.PAUSE), digest),
    )
    return True


def inputs() -> dict[str, str]:
    """Return the digest of the inputs of each image that was put on the node."""
    found = {}
    for line in run([*_ctr(), "images", "list", f'labels."{_LABEL}"']).splitlines()[1:]:
        labels = dict(label.split("=", 1) for label in line.split()[-1].split(",") if "=" in label)
        found[line.split()[0]] = labels.get(_LABEL, "")
    return found


def has(name: str) -> bool:
    """Tell whether the node has an image called exactly `name`."""
    return run([*_ctr(), "images", "list", "--quiet", f'name=="{name}"']).split() == [name]


def put(archive: Path, digests: dict[str, str]) -> None:
    """Put the images of `archive` on the node; `digests` says for each name what it was made from."""
    run([*_ctr(), "images", "import", archive])
    for name, digest in digests.items():
        run([*_ctr(), "images", "label", name, f"{_LABEL}={digest}"])


def drop(name: str) -> None:
    """Take the image `name` off the node."""
    run([*_ctr(), "images", "remove", "--sync", name])


def _ctr() -> list[str | Path]:
    return [binary("ctr"), "--address", SOCKET, "--namespace", "k8s.io"]
