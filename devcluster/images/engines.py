"""The two programs that build Dockerfiles: Docker where its engine answers, buildah where not.

Both build the same files unchanged.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from devcluster import bound, mounts, paths, preflight
from devcluster.errors import ClusterError
from devcluster.images import standins
from devcluster.images.ownimages import OwnImage, version
from devcluster.shell import run

if TYPE_CHECKING:
    from collections.abc import Callable

_KEPT_LINES = 15
#: What both Dockerfiles call the stage that installs Python's packages.
_FIRST_STAGE = "builder"
_LOCAL = ("localhost", "127.0.0.1", "[::1]")


class Engine(Protocol):
    """What `images` needs of an engine."""

    def inputs_digest(self, image: OwnImage) -> str:
        """Return the digest of all that `image` is made from, the public images included."""

    def prepare(self, image: OwnImage) -> None:
        """Build the first stage of `image`, for which the base image is enough; `build` goes on from there."""

    def build(self, image: OwnImage, tick: Callable[[], None]) -> float:
        """Build `image` under its own name and return the CPU seconds it took; `tick` is called while it takes."""

    def save(self, image: OwnImage, path: Path) -> None:
        """Write the image into an archive for `ctr`."""

    def push(self, image: OwnImage, archive: Path, target: str) -> None:
        """Push the image, which may be only in `archive`, under the name `target`."""


class Docker:
    """A Docker engine; the public images are the real ones."""

    def inputs_digest(self, image: OwnImage) -> str:
        """Return the digest of the inputs; the public images are named in the Dockerfile."""
        return image.digest("docker")

    def prepare(self, image: OwnImage) -> None:
        """Run docker build for the first stage."""
        _run(["docker", "build", f"--target={_FIRST_STAGE}", *_options(image), str(paths.REPO)], {})

    def build(self, image: OwnImage, tick: Callable[[], None]) -> float:
        """Run docker build."""
        return _run(["docker", "build", f"--tag={image.name}", *_options(image), str(paths.REPO)], {}, tick)

    def save(self, image: OwnImage, path: Path) -> None:
        """Run docker save."""
        run(["docker", "save", "-o", path, image.name])

    def push(self, image: OwnImage, archive: Path, target: str) -> None:
        """Run docker push under another name."""
        run(["docker", "load", "-i", archive])
        run(["docker", "tag", image.name, target])
        run(["docker", "push", target])


class Buildah:
    """Buildah with a store of its own in the cache; the public images are the stand-ins."""

    def __init__(self) -> None:
        preflight.require_linux_root()
        self._store = paths.cache() / "buildah"
        self._env = {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "overlay"}
        self._command = ["buildah", "--root", str(self._store), "--runroot", "/run/inventory-cluster-buildah"]

    def inputs_digest(self, image: OwnImage) -> str:
        """Return the digest of the inputs and of the stand-ins."""
        return image.digest(standins.digest())

    def prepare(self, image: OwnImage) -> None:
        """Run buildah for the first stage, whose layers stay in the store."""
        self._load_base()
        self._build(image, [f"--target={_FIRST_STAGE}"])

    def build(self, image: OwnImage, tick: Callable[[], None]) -> float:
        """Run buildah."""
        self._load_base()
        self._load(standins.ensure(), standins.PROMETHEUS, standins.ALERTMANAGER)
        return self._build(image, [f"--tag={image.name}"], tick)

    def _build(self, image: OwnImage, options: list[str], tick: Callable[[], None] = lambda: None) -> float:
        """Run buildah with the host's certificates and pip configuration, so that pip works as it does outside."""
        self._unmount()  # what a killed build left
        shared = [path for path in ("/etc/ssl/certs", "/etc/pip.conf") if Path(path).exists()]
        volumes = [word for path in shared for word in ("--volume", f"{path}:{path}:ro")]
        argv = [*self._command, "bud", "--layers", "--pull-never", *volumes, *options, *_options(image)]
        try:
            return _run([*argv, str(paths.REPO)], self._env, tick)
        finally:
            self._unmount()

    def save(self, image: OwnImage, path: Path) -> None:
        """Write an archive."""
        run([*self._command, "push", image.name, f"docker-archive:{path}:{image.name}"], env=self._env)
        self._unmount()

    def push(self, image: OwnImage, archive: Path, target: str) -> None:
        """Push from the archive's image; a registry on this machine is spoken to without TLS."""
        preflight.require_packages(preflight.IMAGE_PACKAGES)
        plain = ["--tls-verify=false"] if target.startswith(_LOCAL) else []
        run([*self._command, "pull", f"docker-archive:{archive}:{image.name}"], env=self._env)
        run([*self._command, "push", *plain, image.name, f"docker://{target}"], env=self._env)
        self._unmount()

    def _load_base(self) -> None:
        """Load the base image; a store of another one, or one that was not loaded to its end, is made anew."""
        preflight.require_packages(preflight.IMAGE_PACKAGES)
        archive = standins.ensure_base_archive()
        if self._loading.exists() or not self._mark(archive).exists():
            self._unmount()
            shutil.rmtree(self._store, ignore_errors=True)
        self._load(archive, standins.BASE)

    def _load(self, archive: Path, *names: str) -> None:
        if self._mark(archive).exists():
            return
        self._store.mkdir(parents=True, exist_ok=True)
        self._loading.touch()
        for name in names:
            run([*self._command, "pull", f"docker-archive:{archive}:{name}"], env=self._env)
        self._mark(archive).touch()
        self._loading.unlink()

    def _mark(self, archive: Path) -> Path:
        return self._store / f"has-{archive.stem}"

    @property
    def _loading(self) -> Path:
        return self._store / "loading"

    def _unmount(self) -> None:
        """Take away the mounts in the store: the one that the overlay driver leaves, those of a killed build."""
        mounts.unmount(self._store)


def choose() -> Engine:
    """Return Docker when its engine answers, else buildah."""
    return Docker() if preflight.docker_answers() else Buildah()


def _options(image: OwnImage) -> list[str]:
    return [f"--file={paths.REPO / image.dockerfile}", f"--build-arg=VERSION={version()}"]


def _run(argv: list[str], env: dict[str, str], tick: Callable[[], None] = lambda: None) -> float:
    """Run `argv` to its end and return the CPU seconds it took; ClusterError with its last lines when it fails."""
    log = paths.cache() / "images" / "build.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    code, cpu = bound.run(argv, log, env=env, tick=tick)
    if code:
        said = "\n".join(log.read_text(errors="replace").splitlines()[-_KEPT_LINES:])
        raise ClusterError(f"building the image failed, {log} ends with:\n{said}")
    return cpu
