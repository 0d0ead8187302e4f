"""Our two images as data: Dockerfile, inputs, digest, and names."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devcluster.errors import RefusedError
from devcluster.paths import REPO

if TYPE_CHECKING:
    from pathlib import Path

_REPOSITORY = "docker.io/inventorystack"
_VERSION_FILE = "operator/inventory_operator/version.py"
_COMMON = (".dockerignore", "pyproject.toml", "LICENSE", "requirements/build.txt")
_DIGEST_LENGTH = 16


@dataclass(frozen=True, slots=True)
class OwnImage:
    """An image of this repository; `inputs` are the files and folders that its Dockerfile copies."""

    short: str
    dockerfile: str
    inputs: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the name that the manifests use."""
        return f"{_REPOSITORY}/{self.short}:{version()}"

    def name_at(self, registry: str) -> str:
        """Return the name at `registry` (like localhost:5000/team); the digest in it makes nodes fetch what changed."""
        if not registry:
            raise RefusedError(
                "CLUSTER=current needs a registry that you may push to and the cluster can pull from:"
                " make ... CLUSTER=current REGISTRY=registry.example.com/team"
            )
        return f"{registry.rstrip('/')}/{self.short}:{version()}-{self.digest()}"

    def digest(self, base: str = "") -> str:
        """Return the digest of all inputs; `base` stands for what the public images are made from."""
        state = hashlib.sha256(base.encode())
        for top in (*_COMMON, self.dockerfile, *self.inputs):
            for path in _files(REPO / top):
                content = path.read_bytes()
                state.update(
                    f"{path.relative_to(REPO)}\0{path.stat().st_mode & 0o111:o}\0{len(content)}\0".encode() + content
                )
        return state.hexdigest()[:_DIGEST_LENGTH]


SERVICE = OwnImage(
    "inventory-service",
    "Dockerfile.service",
    ("requirements/service.txt", _VERSION_FILE, "service/inventory_service"),
)
OPERATOR = OwnImage(
    "inventory-operator",
    "Dockerfile.operator",
    ("requirements/operator.txt", "operator/inventory_operator", "templates"),
)
OWN = (SERVICE, OPERATOR)


def version() -> str:
    """Return the version of both images."""
    found = re.search(r'"([^"]+)"', _assignment())
    assert found, f"{_VERSION_FILE} assigns a string"
    return found[1]


def _assignment() -> str:
    lines = (REPO / _VERSION_FILE).read_text().splitlines()
    return next(line for line in lines if re.match(r"(__version__|VERSION)\b.*=", line))


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(it for it in path.rglob("*") if it.is_file() and "__pycache__" not in it.parts)
