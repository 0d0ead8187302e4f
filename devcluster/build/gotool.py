"""Runs go for a list of recipes: downloads what they need beside the compiler, builds them, reports the progress."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

from devcluster import bound, paths
from devcluster.build.recipes import FLAGS
from devcluster.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from devcluster.build.recipes import Recipe

    #: Gets which share of a build is done, from 0 to 1, and that in words.
    OnProgress = Callable[[float, str], None]

#: Beside FLAGS; one that differs would mean another part of Go's build cache.
ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off", "GOTOOLCHAIN": "auto"}
_POLL = 0.25
_KEPT_LINES = 15
#: The share of a build until the last package is begun; then that one and the last programs are linked.
_COMPILING = 0.97
#: The packages named last tell where in its list go is: so many of them, of a long list one in so many.
_LATELY = 16


class GoTool:
    """A context manager for one go program and a folder for everything temporary."""

    def __init__(self, go: Path, folder: Path) -> None:
        self._go = str(go)
        self._folder = folder
        self._downloads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="downloads")
        self._packages: dict[str, Future[list[str]]] = {}
        self._env = {**ENVIRONMENT, "GOTMPDIR": str(folder)}

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, failure: object, *_: object) -> None:
        """End the downloads."""
        if failure is not None:
            bound.kill_all()
        self._downloads.shutdown(cancel_futures=True)

    def download(self, recipes: list[Recipe]) -> None:
        """Have the modules of `recipes` downloaded after those asked for before; it is not waited for."""
        self._packages[recipes[0].name] = self._downloads.submit(self._list, recipes)

    def build(self, recipes: list[Recipe], out: Path, on_progress: OnProgress) -> float:
        """Build `recipes`, which `download` was called with, into the folder `out`; return the CPU seconds it took."""
        listed = self._packages[recipes[0].name]
        while not listed.done():
            time.sleep(_POLL)
            on_progress(0.0, "downloading modules")
        packages = listed.result()
        log = self._folder / f"build-{recipes[0].name}.log"
        out.mkdir()
        flags = ["-v", *(flag for recipe in recipes for flag in recipe.ldflags), "-o", f"{out}/"]
        return self._run("build", recipes, flags, log, lambda: on_progress(*progress(packages, _lines(log))))

    def _list(self, recipes: list[Recipe]) -> list[str]:
        """Return the packages that `recipes` need in the order in which go compiles them; that downloads them."""
        log = self._folder / f"list-{recipes[0].name}.log"
        self._run("list", recipes, ["-deps"], log, lambda: None)
        return [line for line in _lines(log) if " " not in line]  # "go: downloading ..." is no package

    def _run(self, verb: str, recipes: list[Recipe], flags: list[str], log: Path, tick: Callable[[], None]) -> float:
        packages = [package for recipe in recipes for package in recipe.packages.values()]
        argv = [self._go, verb, *FLAGS, *flags, *packages]
        code, cpu = bound.run(argv, log, cwd=paths.MODULES / recipes[0].module, env=self._env, tick=tick)
        if code:
            said = "\n".join(_lines(log)[-_KEPT_LINES:])
            raise ClusterError(f"building {' '.join(recipe.name for recipe in recipes)} failed:\n{said}")
        return cpu


def progress(packages: list[str], said: Iterable[str]) -> tuple[float, str]:
    """Return which share of `packages` is compiled, and that in words, from what `go build -v` said.

    It names a package when it begins with it and is silent about those in its cache. It keeps to the order of the list,
    but takes one from further down while the next ones still wait for what they import. So everything before the first
    of those named lately is done, and of the rest what was named.
    """
    places = {package: place for place, package in enumerate(packages)}
    named = [places[package] for package in said if package in places]
    lately = named[-max(_LATELY, len(packages) // _LATELY) :]
    reached = min(lately, default=0)
    done = reached + sum(place >= reached for place in named)
    return _COMPILING * done / max(1, len(packages)), f"{done:,} of {len(packages):,} packages"


def _lines(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines() if log.exists() else []
