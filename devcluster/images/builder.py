"""Our two images: built when their inputs changed, kept in the cache as archives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devcluster import lock, paths
from devcluster.images import engines
from devcluster.images.ownimages import OWN, OwnImage
from devcluster.progress import Progress

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

_SECONDS = {"inventory-service": 30.0, "inventory-operator": 40.0}


def expected() -> dict[str, float]:
    """Return the steps and seconds on two cores of building what isn't in the cache."""
    engine = engines.choose()
    return {_step(image): _SECONDS[image.short] for image in OWN if not _archive(image, engine).exists()}


def prepare() -> None:
    """Do what can be done for our images that aren't in the cache without the servers of the cluster."""
    engine = engines.choose()
    with _locked():
        for image in OWN:
            if not _archive(image, engine).exists():
                engine.prepare(image)


def ensure(progress: Progress | None = None) -> dict[OwnImage, Path]:
    """Return the archive of each of our images; builds what isn't in the cache.

    `progress` is that of everything that is to be done, if this is not all.
    """
    engine = engines.choose()
    with _locked():
        found = {image: _archive(image, engine) for image in OWN}
        missing = {image: path for image, path in found.items() if not path.exists()}
        progress = progress or Progress({})
        progress.expect({_step(image): _SECONDS[image.short] for image in missing})
        for image, path in missing.items():
            _make(image, path, engine, progress)
    return found


def push(registry: str) -> dict[OwnImage, str]:
    """Push our images to `registry` and return the names under which they are there."""
    names = {image: image.name_at(registry) for image in OWN}
    archives = ensure()
    engine = engines.choose()
    for image, name in names.items():
        engine.push(image, archives[image], name)
    return names


def inputs_digest(archive: Path) -> str:
    """Return the digest of what `archive` was made from."""
    return archive.stem.rpartition("-")[2]


def _locked() -> AbstractContextManager[None]:
    return lock.exclusive(paths.cache() / "images-own.lock")


def _archive(image: OwnImage, engine: engines.Engine) -> Path:
    return paths.cache() / "images" / f"{image.short}-{engine.inputs_digest(image)}.tar"


def _step(image: OwnImage) -> str:
    return f"image {image.short}"


def _make(image: OwnImage, path: Path, engine: engines.Engine, progress: Progress) -> None:
    progress.begin(_step(image))
    cpu = engine.build(image, progress.tick)
    wip = path.with_suffix(".part")
    wip.unlink(missing_ok=True)
    engine.save(image, wip)
    for old in path.parent.glob(f"{image.short}-*.tar"):
        old.unlink()
    wip.rename(path)
    progress.finish(cpu)
