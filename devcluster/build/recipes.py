"""What is built from the Go module proxy, and how: data, and the digest that names each result.

Never runs anything; the versions themselves are in modules/*/go.mod and pinned by go.sum.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from devcluster.errors import RefusedError
from devcluster.paths import MODULES

_COMPONENT_BASE = "k8s.io/component-base/version"
_DIGEST_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Recipe:
    """One run of `go build`: a module of modules/, its packages (binary -> package), flags, seconds on two cores."""

    name: str
    module: str
    packages: dict[str, str]
    seconds: float
    ldflags: str = "-s -w "
    tags: str = ""

    @property
    def digest(self) -> str:
        """Return the digest of everything that the result depends on."""
        state = hashlib.sha256(repr((self.packages, self.ldflags, self.tags)).encode())
        for file in sorted((MODULES / self.module).iterdir()):
            state.update(file.name.encode() + file.read_bytes())
        return state.hexdigest()[:_DIGEST_LENGTH]


def kubernetes_version() -> str:
    """Return the pinned version of Kubernetes, like v1.36.3."""
    text = (MODULES / "kubernetes" / "go.mod").read_text()
    found = re.search(r"^(?:require )?\s*k8s\.io/kubernetes (v\S+)", text, re.MULTILINE)
    assert found, "modules/kubernetes/go.mod requires k8s.io/kubernetes"
    return found[1]


def _kubernetes(name: str, seconds: float, *commands: str) -> Recipe:
    version = kubernetes_version()
    major, minor = version.lstrip("v").split(".")[:2]
    stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    ldflags = "-s -w " + " ".join(f"-X {_COMPONENT_BASE}.{key}={value}" for key, value in stamps.items())
    return Recipe(name, "kubernetes", {it: f"k8s.io/kubernetes/cmd/{it}" for it in commands}, seconds, ldflags)


def _commands(prefix: str, *commands: str) -> dict[str, str]:
    return {command: f"{prefix}/cmd/{command}" for command in commands}


RECIPES = (
    _kubernetes("kubernetes-control-plane", 221, "kube-apiserver", "kube-controller-manager", "kubectl"),
    Recipe("etcd", "etcd", {"etcd": "go.etcd.io/etcd/server/v3"}, 25, "-s -w"),
    _kubernetes("kubernetes-node", 24, "kube-scheduler", "kubelet", "kube-proxy"),
    Recipe(
        "containerd",
        "containerd",
        _commands("github.com/containerd/containerd/v2", "containerd", "containerd-shim-runc-v2", "ctr"),
        34,
        tags="no_btrfs no_devmapper no_zfs",
    ),
    Recipe(
        "prometheus",
        "prometheus",
        _commands("github.com/prometheus/prometheus", "prometheus", "promtool"),
        110,
        "-s -w -X github.com/prometheus/common/version.Version=3.16.0",
        # The ways to find targets that our own jobs and most of users need; each cloud has its own, and they are large.
        tags="remove_all_sd,enable_kubernetes_sd,enable_dns_sd,enable_file_sd,enable_http_sd",
    ),
    Recipe(
        "alertmanager",
        "alertmanager",
        _commands("github.com/prometheus/alertmanager", "alertmanager", "amtool"),
        25,
        "-s -w -X github.com/prometheus/common/version.Version=0.31.1",
    ),
    Recipe("coredns", "coredns", {"coredns": "github.com/coredns/coredns"}, 79),
    Recipe(
        "local-path-provisioner",
        "local-path-provisioner",
        {"local-path-provisioner": "github.com/rancher/local-path-provisioner"},
        47,
    ),
    Recipe("pause", "pause", {"pause": "."}, 2),
)

#: What a person can ask for by one word.
GROUPS = {
    "all": tuple(recipe.name for recipe in RECIPES),
    "control-plane": ("kubernetes-control-plane", "etcd"),
    "promtools": ("prometheus", "alertmanager"),
}


def select(words: list[str]) -> list[Recipe]:
    """Return the recipes that `words` (groups or recipe names) stand for, in build order."""
    wanted: set[str] = set()
    for word in words or ["all"]:
        if word not in GROUPS and word not in GROUPS["all"]:
            raise RefusedError(f"nothing here is called {word!r}; there are: {', '.join([*GROUPS, *GROUPS['all']])}")
        wanted.update(GROUPS.get(word, (word,)))
    return [recipe for recipe in RECIPES if recipe.name in wanted]


def recipe_of(binary: str) -> Recipe:
    """Return the recipe that makes `binary`."""
    return next(recipe for recipe in RECIPES if binary in recipe.packages)
