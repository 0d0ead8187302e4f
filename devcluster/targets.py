"""The three kinds of cluster behind the same commands: embedded, kind, current.

Each can start, stop, and get our images.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from devcluster import paths, preflight
from devcluster.build import binaries
from devcluster.errors import ClusterError, RefusedError
from devcluster.images import builder, nodeimages, registry
from devcluster.images.ownimages import OWN, OwnImage
from devcluster.kubectl import Kubectl
from devcluster.node import cleanup, onenode
from devcluster.shell import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_KIND_NAME = "inventory"


class Target(Protocol):
    """What the commands need of a cluster; `environment` is that of the operator there."""

    environment: Mapping[str, str]

    def up(self) -> bool:
        """Start it; False when it was running."""

    def down(self, *, keep: bool) -> None:
        """Stop it and clean up."""

    def kubeconfig(self) -> Path:
        """Return the administrator's kubeconfig; ClusterError when there is no cluster."""

    def load(self) -> dict[OwnImage, str]:
        """Bring our images there; return the names that pods there must use."""

    def missing_reason(self, image: str) -> str:
        """Return why pods there can't have `image`; empty when they can, and where only a pod's state tells."""

    def status(self) -> tuple[bool, str]:
        """Tell whether it works, and describe it."""


class Embedded:
    """The one-node cluster, built from source."""

    environment: Mapping[str, str] = MappingProxyType({})

    def up(self) -> bool:
        """Start it."""
        return onenode.up()

    def down(self, *, keep: bool) -> None:
        """Stop it."""
        onenode.down(keep=keep)

    def kubeconfig(self) -> Path:
        """Return where it is always; the cluster's folder has it only while there is a cluster."""
        if not paths.KUBECONFIG.exists():
            raise ClusterError("the embedded cluster is not there: start it with: make cluster-up")
        return paths.KUBECONFIG

    def load(self) -> dict[OwnImage, str]:
        """Import what changed into containerd."""
        self.kubeconfig()
        nodeimages.ensure_stand_ins()
        there = nodeimages.inputs()
        for image, archive in builder.ensure().items():
            digest = builder.inputs_digest(archive)
            if there.get(image.name) != digest:
                nodeimages.put(archive, {image.name: digest})
        return {image: image.name for image in OWN}

    def missing_reason(self, image: str) -> str:
        """Look into the node's store, and ask the image's registry."""
        print(f"looking for the image {image} on the node and in its registry", file=sys.stderr, flush=True)
        return registry.missing_reason(image)

    def status(self) -> tuple[bool, str]:
        """Describe programs and traces."""
        if onenode.is_healthy():
            return True, f"running, node ready, kubeconfig {paths.KUBECONFIG}, state and logs {paths.STATE}"
        traces = cleanup.traces()
        return False, f"not healthy, there is: {', '.join(traces)}" if traces else "not running"


class Kind:
    """A kind cluster; experimental. Its kubelets sign their own certificates."""

    environment: Mapping[str, str] = MappingProxyType({"INVENTORY_KUBELET_INSECURE_SKIP_VERIFY": "true"})

    def __init__(self) -> None:
        if not preflight.docker_answers():
            raise RefusedError("CLUSTER=kind needs Docker and none answers: start Docker, or use CLUSTER=embedded")
        if shutil.which("kind") is None:
            raise RefusedError(
                "CLUSTER=kind needs the kind program on PATH: get it with: go install sigs.k8s.io/kind@latest"
            )
        binaries.ensure(["control-plane"])  # for kubectl

    def up(self) -> bool:
        """Create it."""
        if _KIND_NAME in run(["kind", "get", "clusters"]).split():
            return False
        config = paths.PACKAGE / "kind.yaml"
        self._kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        run(["kind", "create", "cluster", "--name", _KIND_NAME, "--config", config, "--kubeconfig", self._kubeconfig])
        return True

    def down(self, *, keep: bool) -> None:
        """Delete it; kind can't keep anything."""
        if keep:
            raise RefusedError("kind can't keep a cluster's state: leave out --keep")
        run(["kind", "delete", "cluster", "--name", _KIND_NAME, "--kubeconfig", self._kubeconfig])

    def kubeconfig(self) -> Path:
        """Return the file that kind wrote."""
        if not self._kubeconfig.exists():
            raise ClusterError("the kind cluster is not there: start it with: make cluster-up CLUSTER=kind")
        return self._kubeconfig

    def load(self) -> dict[OwnImage, str]:
        """Load both; kind itself skips what is there."""
        names = {image: image.name for image in builder.ensure()}
        run(["kind", "load", "docker-image", "--name", _KIND_NAME, *names.values()])
        return names

    def missing_reason(self, image: str) -> str:
        """Leave it to the pods: the nodes pull, and what they can reach isn't what this machine can."""
        del image
        return ""

    def status(self) -> tuple[bool, str]:
        """Ask its API server."""
        return _ask(self.kubeconfig())

    @property
    def _kubeconfig(self) -> Path:
        return paths.cache() / "kind.kubeconfig"


class Current:
    """The cluster of the current kubectl context; its images come from $REGISTRY."""

    environment: Mapping[str, str] = MappingProxyType({})

    def __init__(self) -> None:
        binaries.ensure(["control-plane"])  # for kubectl

    def up(self) -> bool:
        """Refuse unless it answers; it is not ours to start."""
        healthy, said = self.status()
        if not healthy:
            raise RefusedError(f"the current kubectl context does not answer: {said}")
        return False

    def down(self, *, keep: bool) -> None:
        """Leave it alone."""
        del keep
        print("the cluster of the current context is not ours to stop; it was left alone", file=sys.stderr)

    def kubeconfig(self) -> Path:
        """Return what kubectl would use."""
        first = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
        path = Path(first) if first else Path.home() / ".kube" / "config"
        if not path.exists():
            raise ClusterError(f"CLUSTER=current uses the current kubectl context, but there is no {path}")
        return path

    def load(self) -> dict[OwnImage, str]:
        """Push to $REGISTRY; a changed image has a new name there."""
        return builder.push(os.environ.get("REGISTRY", ""))

    def missing_reason(self, image: str) -> str:
        """Leave it to the pods: the nodes pull, and what they can reach isn't what this machine can."""
        del image
        return ""

    def status(self) -> tuple[bool, str]:
        """Ask its API server."""
        return _ask(self.kubeconfig())


KINDS: dict[str, Callable[[], Target]] = {"embedded": Embedded, "kind": Kind, "current": Current}


def choose(name: str) -> Target:
    """Return the cluster called `name`; without a name the one that fits this machine."""
    wanted = name or (
        "embedded" if platform.system() == "Linux" and os.geteuid() == 0 and not _kind_is_at_hand() else "kind"
    )
    if wanted not in KINDS:
        raise RefusedError(f"CLUSTER={wanted} is not known: it is one of {', '.join(KINDS)}")
    return KINDS[wanted]()


def _kind_is_at_hand() -> bool:
    return shutil.which("kind") is not None and preflight.docker_answers()


def _ask(kubeconfig: Path) -> tuple[bool, str]:
    if Kubectl(kubeconfig).succeeds("get", "--raw", "/readyz", "--request-timeout=10s", timeout=20):
        return True, f"answers, kubeconfig {kubeconfig}"
    return False, f"its API server does not answer, kubeconfig {kubeconfig}"
