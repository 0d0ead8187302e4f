"""Container images as one file, without a container engine: the format that `docker save` writes.

Every reader takes it (ctr, buildah, docker). Same input, same bytes; nothing is compressed: it is read once, here.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Image:
    """A name, layers (tar files, lowest first) and the runtime configuration (User, Entrypoint, ...)."""

    name: str
    layers: tuple[Path, ...]
    config: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file (from `source`), or a folder when there is no source, in a layer."""

    path: str
    source: Path | bytes | None = None
    mode: int = 0o755
    owner: int = 0


def write_layer(path: Path, entries: list[Entry]) -> Path:
    """Write a layer with `entries` and return its path."""
    with tarfile.open(path, "w") as tar:
        for entry in entries:
            _add_entry(tar, entry)
    return path


def write(path: Path, images: list[Image], machine: str) -> None:
    """Write `images`, which may share layers, into one archive; `machine` is what platform.machine() says."""
    digests = {layer: _digest(layer) for image in images for layer in image.layers}
    manifest = []
    with tarfile.open(path, "w") as tar:
        for layer, digest in sorted(digests.items(), key=lambda item: item[1]):
            tar.add(layer, f"{digest}.tar", filter=_anonymous)
        for image in images:
            content = json.dumps(_configuration(image, digests, machine), sort_keys=True).encode()
            name = f"{hashlib.sha256(content).hexdigest()}.json"
            _add(tar, name, content)
            layers = [f"{digests[layer]}.tar" for layer in image.layers]
            manifest.append({"Config": name, "RepoTags": [image.name], "Layers": layers})
        _add(tar, "manifest.json", json.dumps(manifest).encode())


def _configuration(image: Image, digests: dict[Path, str], machine: str) -> dict[str, Any]:
    return {
        "architecture": _ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": image.config,
        "history": [{"created_by": "devcluster"} for _ in image.layers],  # buildah wants one entry per layer
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digests[layer]}" for layer in image.layers]},
    }


def _add_entry(tar: tarfile.TarFile, entry: Entry) -> None:
    info = tarfile.TarInfo(entry.path)
    info.mode, info.uid, info.gid = entry.mode, entry.owner, entry.owner
    if entry.source is None:
        info.type = tarfile.DIRTYPE
        tar.addfile(info)
    elif isinstance(entry.source, bytes):
        info.size = len(entry.source)
        tar.addfile(info, io.BytesIO(entry.source))
    else:
        info.size = entry.source.stat().st_size
        with entry.source.open("rb") as file:
            tar.addfile(info, file)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    _add_entry(tar, Entry(name, content, 0o644))


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    return info


def _digest(path: Path) -> str:
    state = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            state.update(chunk)
    return state.hexdigest()
