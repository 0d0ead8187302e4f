"""What is built from the Go module proxy, and how: data, and the digest that names each result.

The versions are in modules/*/go.mod, and pinned by go.sum.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from itertools import groupby

from devcluster.errors import RefusedError
from devcluster.paths import MODULES

_SERVERS = "servers"
_COMPONENT_BASE = "k8s.io/component-base/version"
_DIGEST_LENGTH = 16


#: Files that a build leaves out: unused storage drivers, and the many ways to find targets in a cloud.
_TAGS = "no_btrfs,no_devmapper,no_zfs,remove_all_sd,enable_kubernetes_sd,enable_dns_sd,enable_file_sd,enable_http_sd"
#: For every package alike, or Go's build cache could not be shared. Without debugging data the compiler needs 17 % less
#: CPU; the stripped binaries (-s -w) are the same.
FLAGS = ("-mod=readonly", "-trimpath", "-gcflags=all=-dwarf=false", "-tags", _TAGS)
_STRIPPED = "-s -w"


@dataclass(frozen=True, slots=True)
class Recipe:
    """Binaries that belong together: a module of modules/, its packages (binary -> package), variables to set."""

    name: str
    module: str
    packages: dict[str, str]
    #: CPU seconds, measured in build order: what was compiled for an earlier recipe is not compiled again.
    seconds: float
    variables: dict[str, str] = field(default_factory=dict)
    #: Whether its packages can't be in one run of `go build` with others of the module.
    alone: bool = False

    @property
    def digest(self) -> str:
        """Return the digest of everything that the result depends on."""
        state = hashlib.sha256(repr((FLAGS, self.packages, self.variables)).encode())
        folder = MODULES / self.module
        for file in sorted(it for it in folder.rglob("*") if it.is_file()):
            state.update(str(file.relative_to(folder)).encode() + file.read_bytes())
        return state.hexdigest()[:_DIGEST_LENGTH]

    @property
    def ldflags(self) -> list[str]:
        """Return the linker's flags, for its own packages only."""
        words = " ".join([_STRIPPED, *(f"-X {name}={value}" for name, value in self.variables.items())])
        return [f"-ldflags={package}={words}" for package in self.packages.values()]


def kubernetes_version() -> str:
    """Return the pinned version of Kubernetes, like v1.37.2."""
    text = (MODULES / _SERVERS / "go.mod").read_text()
    found = re.search(r"^(?:require )?\s*k8s\.io/kubernetes (v\S+)", text, re.MULTILINE)
    assert found, f"modules/{_SERVERS}/go.mod requires k8s.io/kubernetes"
    return found[1]


def _kubernetes(name: str, seconds: float, packages: dict[str, str]) -> Recipe:
    version = kubernetes_version()
    major, minor = version.lstrip("v").split(".")[:2]
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    variables = {f"{_COMPONENT_BASE}.{key}": value for key, value in values.items()}
    return Recipe(name, _SERVERS, packages, seconds, variables)


def _commands(prefix: str, *commands: str) -> dict[str, str]:
    return {command: f"{prefix}/cmd/{command}" for command in commands}


_VERSION = "github.com/prometheus/common/version.Version"
_PROVISIONER = "local-path-provisioner"

#: In build order. Alertmanager is first because its few modules are downloaded soon: while it is compiled, and most of
#: it is used by others, too, the many modules of the others arrive.
RECIPES = (
    Recipe(
        "alertmanager",
        "alertmanager",
        _commands("github.com/prometheus/alertmanager", "alertmanager", "amtool"),
        150,
        {_VERSION: "0.31.1"},
    ),
    _kubernetes(
        "kubernetes-control-plane",
        300,
        _commands("k8s.io/kubernetes", "kube-apiserver", "kube-controller-manager", "kubectl"),
    ),
    Recipe("etcd", _SERVERS, {"etcd": "./etcd"}, 20),
    _kubernetes(
        "kubernetes-node",
        50,
        _commands("k8s.io/kubernetes", "kube-scheduler", "kube-proxy") | {"kubelet": "./kubelet"},
    ),
    Recipe(
        "containerd",
        _SERVERS,
        _commands("github.com/containerd/containerd/v2", "containerd", "containerd-shim-runc-v2", "ctr"),
        50,
    ),
    Recipe(
        "prometheus",
        _SERVERS,
        _commands("github.com/prometheus/prometheus", "prometheus", "promtool"),
        90,
        {_VERSION: "3.16.0"},
    ),
    Recipe("coredns", _SERVERS, {"coredns": "./coredns"}, 20),
    Recipe("pause", _SERVERS, {"pause": "./pause"}, 1),
    # It imports logrus by an old name that differs in one capital letter; go refuses both names in one run.
    Recipe(_PROVISIONER, _SERVERS, {_PROVISIONER: f"github.com/rancher/{_PROVISIONER}"}, 10, alone=True),
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


def runs(recipes: list[Recipe]) -> list[list[Recipe]]:
    """Return `recipes` by run of `go build`; one run keeps all cores busy where several would wait for linkers."""
    return [list(group) for _, group in groupby(recipes, lambda it: (it.module, it.name if it.alone else ""))]
