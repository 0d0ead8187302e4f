"""Another version of one of our images for tests: all that is in it, and some files in a layer on top."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devcluster.images import builder, nodeimages
from devcluster.images.ownimages import SERVICE

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator, Sequence


class Archive:
    """The one image of an archive, to be read."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        (self.entry,) = json.loads(self.read("manifest.json"))
        self.config: dict[str, Any] = json.loads(self.read(self.entry["Config"]))
        self.layers: list[str] = self.entry["Layers"]

    def read(self, path: str) -> bytes:
        """The content of a file of the archive itself."""
        return _read(self._tar, path)

    def find(self, pattern: re.Pattern[str]) -> tuple[re.Match[str], bytes]:
        """The first file in a layer whose whole path matches, and its content."""
        for path in self.layers:
            with tarfile.open(fileobj=io.BytesIO(self.read(path))) as layer:
                if found := next(filter(None, map(pattern.fullmatch, layer.getnames())), None):
                    return found, _read(layer, found[0])
        raise AssertionError(f"the image has no {pattern.pattern}")


@contextmanager
def on_the_node(
    tag: str,
    change: bytes,
    files: Callable[[Archive], dict[str, bytes]],
    entrypoint: Sequence[str] | None = None,
    *,
    keep: bool,
) -> Iterator[str]:
    """Put the service's image with other files on the node, and give its name; take it off at the end, unless kept.

    `tag` is the beginning of the name; digests of the image and of `change` follow, for another run may have another
    version on the node. For the rest see `write`.
    """
    archive = builder.ensure()[SERVICE]
    digest = f"{builder.inputs_digest(archive)}-{hashlib.sha256(change).hexdigest()[:8]}"
    name = f"docker.io/inventorystack/{tag}-{digest}"
    with tempfile.TemporaryDirectory(prefix="derived-") as folder:
        path = Path(folder) / "image.tar"
        write(archive, path, name, files, entrypoint)
        nodeimages.put(path, {name: digest})
    try:
        yield name
    finally:
        if not keep:
            nodeimages.drop(name)


def write(
    source: Path,
    target: Path,
    name: str,
    files: Callable[[Archive], dict[str, bytes]],
    entrypoint: Sequence[str] | None = None,
) -> None:
    """Write an archive of an image `name`: the one image of `source`, and what `files` returns by path.

    A file that begins with `#!` can be executed. `entrypoint` takes the place of the image's own.
    """
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        image = Archive(old)
        layer = _layer(files(image))
        digest = hashlib.sha256(layer).hexdigest()
        for path in image.layers:
            _add(new, path, image.read(path))
        _add(new, f"{digest}.tar", layer)
        image.config["rootfs"]["diff_ids"].append(f"sha256:{digest}")
        image.config.get("history", []).append({"created_by": "tests/framework/derivedimage.py"})
        if entrypoint is not None:
            image.config["config"] = {**image.config.get("config", {}), "Entrypoint": list(entrypoint), "Cmd": None}
        content = json.dumps(image.config).encode()
        described = f"{hashlib.sha256(content).hexdigest()}.json"
        _add(new, described, content)
        manifest = {"Config": described, "RepoTags": [name], "Layers": [*image.layers, f"{digest}.tar"]}
        _add(new, "manifest.json", json.dumps([manifest]).encode())


def _layer(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as layer:
        for path, content in files.items():
            _add(layer, path, content)
    return out.getvalue()


def _read(archive: tarfile.TarFile, path: str) -> bytes:
    file = archive.extractfile(path)
    assert file is not None, path
    return file.read()


def _add(archive: tarfile.TarFile, path: str, content: bytes) -> None:
    info = tarfile.TarInfo(path)
    info.size, info.mode = len(content), 0o755 if content.startswith(b"#!") else 0o644
    archive.addfile(info, io.BytesIO(content))
