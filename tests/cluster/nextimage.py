"""The service's next version for tests: the image of this one, and one more migration in a layer of its own."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from typing import TYPE_CHECKING, Any

from inventory_service import schema

if TYPE_CHECKING:
    from pathlib import Path

REVISION = "9999"
MIGRATION = f'''"""One more column and one more index, as a next version might bring."""

import sqlalchemy as sa
from alembic import op

revision = "{REVISION}"
down_revision = "{{before}}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("products", sa.Column("shelf", sa.String(40), nullable=False, server_default=""))
    op.create_index("products_by_shelf", "products", ["shelf"])
'''
_FOLDER = re.compile(r"(.*/inventory_service/migrations/versions)/r\d+_\w+\.py")


def write(source: Path, target: Path, name: str) -> None:
    """Write an archive of an image `name`: all that is in the one image of `source`, and the migration."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        ((entry,), config) = _described(old)
        layer = _layer(_folder(old, entry["Layers"]))
        digest = hashlib.sha256(layer).hexdigest()
        for path in entry["Layers"]:
            _add(new, path, _read(old, path))
        _add(new, f"{digest}.tar", layer)
        config["rootfs"]["diff_ids"].append(f"sha256:{digest}")
        config.get("history", []).append({"created_by": "tests/cluster/nextimage.py"})
        content = json.dumps(config).encode()
        described = f"{hashlib.sha256(content).hexdigest()}.json"
        _add(new, described, content)
        manifest = {"Config": described, "RepoTags": [name], "Layers": [*entry["Layers"], f"{digest}.tar"]}
        _add(new, "manifest.json", json.dumps([manifest]).encode())


def _described(archive: tarfile.TarFile) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    manifest = json.loads(_read(archive, "manifest.json"))
    return manifest, json.loads(_read(archive, manifest[0]["Config"]))


def _folder(archive: tarfile.TarFile, layers: list[str]) -> str:
    """Return where the migrations are in the image."""
    for path in layers:
        with tarfile.open(fileobj=io.BytesIO(_read(archive, path))) as layer:
            if found := next(filter(None, map(_FOLDER.fullmatch, layer.getnames())), None):
                return found[1]
    raise AssertionError("the image has no migrations")


def _layer(folder: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as layer:
        _add(layer, f"{folder}/r9999_next.py", MIGRATION.format(before=schema.newest()).encode())
    return out.getvalue()


def _read(archive: tarfile.TarFile, path: str) -> bytes:
    file = archive.extractfile(path)
    assert file is not None, path
    return file.read()


def _add(archive: tarfile.TarFile, path: str, content: bytes) -> None:
    info = tarfile.TarInfo(path)
    info.size, info.mode = len(content), 0o644
    archive.addfile(info, io.BytesIO(content))
