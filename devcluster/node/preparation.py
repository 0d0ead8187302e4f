"""Makes what a start needs and takes long: servers, Debian's packages, base image, stand-ins, our images.

What waits for the network or for one core is done beside the compiler.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING

from devcluster import bound, preflight
from devcluster.build import binaries
from devcluster.images import builder, standins
from devcluster.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

_BASE, _STAND_INS = "base image", "stand-ins for public images"
_POLL = 0.25
#: Seconds on two cores: of the base image alone, of what is left of it when servers were built, of the archive.
_BASE_SECONDS, _REST_SECONDS, _STAND_INS_SECONDS = 100.0, 5.0, 5.0


def prepare() -> Progress:
    """Make everything but our images, which `images_beside` makes; return the progress, which counts those, too."""
    progress = Progress({})
    if not standins.has_base():
        progress.expect({_BASE: _REST_SECONDS if binaries.missing(["all"]) else _BASE_SECONDS})
    if not standins.is_made():
        progress.expect({_STAND_INS: _STAND_INS_SECONDS})
    progress.expect(builder.expected())
    with _beside() as (pool, failed):
        debian = pool.submit(_install_debian, failed)
        binaries.ensure(["all"], progress, lambda: debian.result() if debian.done() else None)
        _await(debian, progress)
    if not standins.is_made():
        progress.begin(_STAND_INS)
        standins.ensure()
        progress.finish()
    return progress


@contextmanager
def images_beside(progress: Progress) -> Iterator[None]:
    """Make our images while the cluster starts. A failure is reported by the step that loads them."""
    with _beside() as (pool, _):
        pool.submit(builder.ensure, progress)
        yield


@contextmanager
def _beside() -> Iterator[tuple[ThreadPoolExecutor, Event]]:
    """Give a thread for something else, and what tells it that this one failed: then what it runs is ended, too."""
    failed = Event()
    with ThreadPoolExecutor(1) as pool:
        try:
            yield pool, failed
        except BaseException:
            failed.set()
            bound.kill_all()
            raise


def _install_debian(failed: Event) -> None:
    """Install packages in one go, then make the base image; beside the compiler also the first half of our images."""
    building = bool(binaries.missing(["all"]))
    preflight.require_packages(preflight.NODE_PACKAGES | preflight.IMAGE_PACKAGES)
    if not failed.is_set():
        standins.ensure_base()
    if building and not failed.is_set():
        builder.prepare()


def _await(debian: Future[None], progress: Progress) -> None:
    if _BASE in progress.weights:
        progress.begin(_BASE)
        while not debian.done():
            time.sleep(_POLL)
            progress.tick()
        debian.result()
        progress.finish()
    debian.result()
