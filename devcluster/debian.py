"""Installs Debian packages, also after an installation that was killed, or beside one that still runs."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from devcluster.errors import ClusterError
from devcluster.progress import say
from devcluster.shell import run

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What apt and dpkg lock, in the order in which they do. A killed command leaves apt running, which ends by itself.
_LOCKS = (
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/lock",
    "/var/lib/apt/lists/lock",
    "/var/cache/apt/archives/lock",
)
_JOURNAL = Path("/var/lib/dpkg/updates")
_ENV = {"DEBIAN_FRONTEND": "noninteractive"}
_LOCK_SECONDS = 600
_APT = ["apt-get", "-y", "--no-install-recommends", "-o", f"DPkg::Lock::Timeout={_LOCK_SECONDS}"]
#: States of dpkg in which a killed installation leaves a package; see dpkg(1).
_UNFINISHED = {"half-installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending"}


def install(packages: list[str]) -> None:
    """Install `packages`; an interrupted installation is finished before."""
    if not packages:
        return
    say(f"installing Debian packages: {' '.join(packages)}")
    await_others()
    interrupted = _is_interrupted()
    if interrupted:  # apt refuses to do anything before
        say("finishing an interrupted installation of Debian packages")
        with suppress(ClusterError):
            run(["dpkg", "--force-confdef", "--force-confold", "--configure", "-a"], env=_ENV, detached=True)
    run([*_APT, "update"], env=_ENV, detached=True)
    if interrupted:
        if half := parse_states(_states(), {"half-installed"}):  # not even unpacked, so it can't be configured
            run([*_APT, "--reinstall", "install", *half], env=_ENV, detached=True)
        run([*_APT, "--fix-broken", "install"], env=_ENV, detached=True)
    run([*_APT, "install", *packages], env=_ENV, detached=True)


def unfinished(packages: Iterable[str]) -> list[str]:
    """Return those of `packages` that dpkg began to install and did not finish."""
    if shutil.which("dpkg-query") is None:
        return []
    return parse_states(_states(*packages), _UNFINISHED)


def parse_states(said: str, wanted: set[str]) -> list[str]:
    """Return the packages in one of the `wanted` states, of lines like `runc half-configured`."""
    states = [line.split() for line in said.splitlines()]
    return sorted({words[0] for words in states if len(words) > 1 and words[1] in wanted})


def _states(*packages: str) -> str:
    command = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *packages]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # fails when one is unknown


def await_others() -> None:
    """Wait until no other apt or dpkg runs."""
    for path in map(Path, _LOCKS):
        if path.exists():
            with path.open("r+") as file:
                try:
                    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    say(f"waiting for another apt or dpkg, which holds {path}")
                    fcntl.lockf(file, fcntl.LOCK_EX)


def _is_interrupted() -> bool:
    return any(_JOURNAL.glob("*")) or bool(run(["dpkg", "--audit"]).strip())
