"""Builds the servers from the Go module proxy, each module once, into the cache.

Never leaves a half-built result under its final name: built beside it, then renamed. Versions are not its business.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from devcluster import lock, paths, preflight
from devcluster.build.recipes import Recipe, recipe_of, select
from devcluster.errors import ClusterError
from devcluster.progress import Progress

_POLL = 0.5
_KEPT_LINES = 15
_KEPT_SECONDS = 30 * 24 * 3600


def folder(recipe: Recipe) -> Path:
    """Return the folder of the binaries of `recipe`, whether it is built or not."""
    return paths.cache() / "bin" / f"{recipe.name}-{recipe.digest}"


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


def ensure(words: list[str]) -> None:
    """Build what `words` (groups or recipe names; nothing means all) stand for and is not in the cache."""
    wanted = [recipe for recipe in select(words) if not is_built(recipe)]
    for recipe in select(words):
        if recipe not in wanted:
            os.utime(folder(recipe))  # still in use: see _forget_old
    if not wanted:
        return
    go = preflight.require_go()
    with lock.exclusive(paths.cache() / "build.lock"):
        wanted = [recipe for recipe in wanted if not is_built(recipe)]
        progress = Progress({recipe.name: recipe.seconds for recipe in wanted})
        for recipe in wanted:
            progress.begin(recipe.name)
            _build(go, recipe, progress)
            progress.finish(recipe.name)
        _forget_old()


def _build(go: Path, recipe: Recipe, progress: Progress) -> None:
    target = folder(recipe)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".building-") as temporary:
        log = Path(temporary) / "log"
        for argv in _commands(go, recipe, Path(temporary)):
            if _wait(argv, paths.MODULES / recipe.module, log, lambda: progress.tick(recipe.name)):
                said = "\n".join(log.read_text(errors="replace").splitlines()[-_KEPT_LINES:])
                raise ClusterError(f"building {recipe.name} failed:\n{said}")
        log.unlink(missing_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        Path(temporary).chmod(0o755)
        Path(temporary).rename(target)
        Path(temporary).mkdir()  # what the context manager wants to remove


def _commands(go: Path, recipe: Recipe, out: Path) -> list[list[str]]:
    flags = [str(go), "build", "-mod=readonly", "-trimpath", "-ldflags", recipe.ldflags, "-tags", recipe.tags]
    if len(recipe.packages) > 1:
        return [[*flags, "-o", f"{out}/", *recipe.packages.values()]]
    return [[*flags, "-o", str(out / name), package] for name, package in recipe.packages.items()]


def _wait(argv: list[str], cwd: Path, log: Path, tick: object) -> int:
    assert callable(tick)
    env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off", "GOTOOLCHAIN": "auto"}
    with log.open("ab") as file, subprocess.Popen(argv, cwd=cwd, env=env, stdout=file, stderr=file) as process:
        try:
            while process.poll() is None:
                time.sleep(_POLL)
                tick()
        except BaseException:
            process.kill()
            raise
        return process.returncode


def _forget_old() -> None:
    """Remove what interrupted builds left, and results that no checkout has asked for in a month."""
    folders = paths.cache() / "bin"
    for path in folders.iterdir():
        if path.name.startswith(".building-") or time.time() - path.stat().st_mtime > _KEPT_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
