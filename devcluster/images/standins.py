"""Stand-ins for the public images, made without a registry, with the same names and the same paths inside.

The base is Debian with its Python; Prometheus and Alertmanager are the built binaries.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from devcluster import bound, lock, mounts, paths, preflight
from devcluster.build.binaries import binary
from devcluster.build.recipes import recipe_of
from devcluster.errors import ClusterError
from devcluster.images import archive
from devcluster.images.archive import Entry, Image
from devcluster.progress import say

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = "docker.io/library/python:3.13-slim-bookworm"
PROMETHEUS = "docker.io/prom/prometheus:v3.16.0"
PAUSE = "localhost/pause:1"
ALERTMANAGER = "docker.io/prom/alertmanager:v0.31.1"

_SUITE = "bookworm"
_BASE_PACKAGES = ("python3", "python3-venv", "python3-pip", "ca-certificates")
_UNWANTED = ("var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/doc", "usr/share/man", "usr/share/locale")
_BINARIES = ("pause", "prometheus", "promtool", "alertmanager", "amtool")
#: Raised when this file or `archive` makes something else from the same input.
_EDITION = 2
_DIGEST_LENGTH = 16
_KEPT_LINES = 15
_TEMPORARY = ".making-"
_NOBODY = 65534


def digest() -> str:
    """Return the digest of everything that the stand-ins are made from."""
    parts = [_EDITION, _base_digest(), *(recipe_of(name).digest for name in _BINARIES)]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:_DIGEST_LENGTH]


def is_made() -> bool:
    """Tell whether the archive with all stand-ins is in the cache."""
    return _archive().exists()


def has_base() -> bool:
    """Tell whether the base image's layer is in the cache."""
    return _layer().exists()


def ensure() -> Path:
    """Return the archive with all stand-ins; makes it when it isn't in the cache."""
    path = _archive()
    if path.exists():
        return path
    base = ensure_base()
    with lock.exclusive(paths.cache() / "images.lock"), _folder(path.parent) as folder:
        _write(path, _images(base, folder), folder)
    return path


def ensure_base_archive() -> Path:
    """Return the archive with the base image alone, for what is built before there are servers."""
    base = ensure_base()
    path = base.with_name(f"only-{base.name}")
    if not path.exists():
        with lock.exclusive(paths.cache() / "images.lock"), _folder(path.parent) as folder:
            _write(path, [_base_image(base)], folder)
    return path


def _write(path: Path, images: list[Image], folder: Path) -> None:
    """Write the archive `path` in one go, with the help of a temporary `folder`, and remove older ones."""
    wip = folder / "archive.tar"
    archive.write(wip, images, platform.machine())
    for old in path.parent.glob(f"{path.stem.rpartition('-')[0]}-*.tar"):
        old.unlink()
    wip.rename(path)


def _base_image(base: Path) -> Image:
    return Image(BASE, (base,), {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "Cmd": ["python3"]})


def _images(base: Path, folder: Path) -> list[Image]:
    pause = archive.write_layer(folder / "pause.tar", [Entry("pause", binary("pause"))])
    prometheus = archive.write_layer(folder / "prometheus.tar", _server_files("prometheus", "promtool"))
    alertmanager = archive.write_layer(folder / "alertmanager.tar", _server_files("alertmanager", "amtool"))
    return [
        Image(PAUSE, (pause,), {"Entrypoint": ["/pause"], "User": "65535:65535"}),
        _base_image(base),
        Image(PROMETHEUS, (base, prometheus), _server_config("prometheus", "--storage.tsdb.path=/prometheus")),
        Image(ALERTMANAGER, (base, alertmanager), _server_config("alertmanager", "--storage.path=/alertmanager")),
    ]


def _server_files(server: str, tool: str) -> list[Entry]:
    """Return what the upstream image has; /bin is a link to usr/bin in the base."""
    binaries = [Entry(f"usr/bin/{name}", binary(name)) for name in (server, tool)]
    return [*binaries, Entry(f"etc/{server}", owner=_NOBODY), Entry(server, owner=_NOBODY)]


def _server_config(server: str, storage: str) -> dict[str, object]:
    """Return the runtime configuration of the upstream image."""
    return {
        "User": "nobody",
        "WorkingDir": f"/{server}",
        "Entrypoint": [f"/bin/{server}"],
        "Cmd": [f"--config.file=/etc/{server}/{server}.yml", storage],
        "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
    }


def _archive() -> Path:
    return paths.cache() / "images" / f"stand-ins-{digest()}.tar"


def _layer() -> Path:
    return paths.cache() / "images" / f"base-{_base_digest()}.tar"


def _base_digest() -> str:
    return hashlib.sha256(repr((_SUITE, _BASE_PACKAGES, _UNWANTED)).encode()).hexdigest()[:_DIGEST_LENGTH]


def ensure_base() -> Path:
    """Return the base image's only layer; Debian's installer makes it in a minute or two."""
    layer = _layer()
    if layer.exists():
        return layer
    preflight.require_linux_root()
    preflight.require_packages(preflight.IMAGE_PACKAGES)
    with lock.exclusive(paths.cache() / "images.lock"), _folder(layer.parent) as folder:
        if layer.exists():  # another command made it meanwhile
            return layer
        say("base image: installing Debian with its Python into a folder")
        _install(folder)
        for old in layer.parent.glob("base-*.tar"):
            old.unlink()
        (folder / "base.tar").rename(layer)
    return layer


def _install(folder: Path) -> None:
    """Write base.tar into `folder`."""
    root, log = folder / "root", folder / "log"
    _run(["debootstrap", "--variant=minbase", f"--include={','.join(_BASE_PACKAGES)}", _SUITE, root], log)
    for unwanted in _UNWANTED:
        shutil.rmtree(root / unwanted, ignore_errors=True)
        (root / unwanted).mkdir()
    root.chmod(0o755)
    words = ["--sort=name", "--numeric-owner", "--exclude=./dev/*"]
    _run(["tar", *words, "-C", root, "-cf", folder / "base.tar", "."], log)


def _run(argv: list[str | Path], log: Path) -> None:
    code, _ = bound.run(argv, log)
    if code:
        said = "\n".join(log.read_text(errors="replace").splitlines()[-_KEPT_LINES:])
        raise ClusterError(f"{argv[0]} failed with exit code {code}:\n{said}")


@contextmanager
def _folder(parent: Path) -> Iterator[Path]:
    """Give a temporary folder in `parent`; what killed runs left there, mounts included, is removed before."""
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob(f"{_TEMPORARY}*"):
        mounts.unmount(left)
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=_TEMPORARY) as folder:
        try:
            yield Path(folder)
        finally:
            mounts.unmount(Path(folder))  # debootstrap has /proc and /sys in its root while it runs
