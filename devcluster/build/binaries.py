"""Builds the servers from the Go module proxy, each module once, into the cache.

A result is built beside its final place and renamed, so that no half-built one is ever used.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from devcluster import lock, paths, preflight
from devcluster.build.gotool import GoTool
from devcluster.build.recipes import Recipe, recipe_of, runs, select
from devcluster.errors import ClusterError
from devcluster.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

_KEPT_SECONDS = 30 * 24 * 3600
#: Weights are seconds on two cores, recipes have CPU seconds.
_CORES = 2


def folder(recipe: Recipe) -> Path:
    """Return the folder of the binaries of `recipe`, whether it is built or not."""
    return _folders() / f"{recipe.name}-{recipe.digest}"


def is_built(recipe: Recipe) -> bool:
    """Tell whether every binary of `recipe` is in the cache."""
    return all((folder(recipe) / binary).exists() for binary in recipe.packages)


def binary(name: str) -> Path:
    """Return the path of the built `name` (etcd, kubectl, promtool, ...); ClusterError when it isn't built."""
    recipe = recipe_of(name)
    path = folder(recipe) / name
    if not path.exists():
        raise ClusterError(f"{name} is not built yet: python3 -m devcluster build {recipe.name}")
    return path


def missing(words: list[str]) -> list[Recipe]:
    """Return what of `words` (groups or recipe names; nothing means all) is not in the cache."""
    return [recipe for recipe in select(words) if not is_built(recipe)]


def ensure(words: list[str], progress: Progress | None = None, check: Callable[[], None] = lambda: None) -> None:
    """Build what of `words` is not in the cache; `check` is called now and then, what it raises ends the build.

    `progress` is that of everything that is to be done, if this is not all.
    """
    for recipe in select(words):
        if is_built(recipe):
            os.utime(folder(recipe))  # still in use: see _forget_old
    if not missing(words):
        return
    go = preflight.require_go()
    with lock.exclusive(paths.cache() / "build.lock"):
        _forget_old()
        wanted = runs(missing(words))
        progress = progress or Progress({})
        progress.expect({_title(recipes): sum(it.seconds for it in recipes) / _CORES for recipes in wanted})
        _folders().mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_folders(), prefix=".building-") as temporary:
            _build(GoTool(go, Path(temporary)), wanted, Path(temporary), progress, check)


def _build(
    gotool: GoTool, wanted: list[list[Recipe]], place: Path, progress: Progress, check: Callable[[], None]
) -> None:
    def on_progress(share: float, words: str) -> None:
        check()
        progress.tick(share, words)

    with gotool:
        for recipes in wanted:
            gotool.download(recipes)
        for number, recipes in enumerate(wanted):
            progress.begin(_title(recipes))
            cpu = gotool.build(recipes, place / str(number), on_progress)
            for recipe in recipes:
                _keep(recipe, place / str(number), place / recipe.name)
            progress.finish(cpu)


def _keep(recipe: Recipe, built: Path, beside: Path) -> None:
    """Move the binaries of `recipe` from the folder `built` to where they belong, all at once."""
    beside.mkdir()
    for name in recipe.packages:
        (built / name).rename(beside / name)
    shutil.rmtree(folder(recipe), ignore_errors=True)
    beside.rename(folder(recipe))


def _title(recipes: list[Recipe]) -> str:
    first, *others = (recipe.name for recipe in recipes)
    return f"{first} and {len(others)} more" if others else first


def _folders() -> Path:
    return paths.cache() / "bin"


def _forget_old() -> None:
    """Remove what interrupted builds left, and results that no checkout has asked for in a month."""
    for path in _folders().glob("*"):
        if path.name.startswith(".building-") or time.time() - path.stat().st_mtime > _KEPT_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
