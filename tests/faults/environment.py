"""What all faults of a run share: the cluster with operator, image and receiver, and which scenario waits for which."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tests.faults import faultyimage
from tests.faults.planted import recordedimage
from tests.faults.receiver import Receiver
from tests.framework.api import Api
from tests.framework.kube import Kube

from devcluster import install, targets
from devcluster.errors import RefusedError
from devcluster.kubectl import Kubectl
from devcluster.node.network import NODE_ADDRESS
from devcluster.targets import Embedded

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

T = TypeVar("T")
#: Seconds between two looks at a stack.
LOOK = 2.0
#: Starting costs far more than running: so many stacks start at a time.
_STARTS = 4
_LABEL = "app.kubernetes.io/created-by"
_GONE_SECONDS = 240


class Latch:
    """Opens when `expected` have arrived; a scenario that fails arrives, too, so that the others go on."""

    def __init__(self, expected: int) -> None:
        self._lock = threading.Lock()
        self._missing = expected

    def arrive(self) -> None:
        """Count one more."""
        with self._lock:
            self._missing -= 1

    def missing(self) -> int:
        """Return how many have not arrived."""
        with self._lock:
            return self._missing


class Environment:
    """A context manager around one run of `scenarios`; `keep` leaves the namespaces and the image.

    `faults` opens when every fault's scenario has ended, `moving` when those have that change anything at all.
    """

    def __init__(self, scenarios: int, faults: int, moving: int, *, keep: bool) -> None:
        self._keep = keep
        self._mark = f"test-faults-{os.getpid()}"
        self._began = time.monotonic()
        self._print = threading.Lock()
        self._open = ExitStack()
        self.stop = threading.Event()
        self.starts = threading.Semaphore(_STARTS)
        self.ready, self.faults, self.moving = Latch(scenarios), Latch(faults), Latch(moving)
        self.receiver = Receiver(NODE_ADDRESS)

    def __enter__(self) -> Self:
        target = targets.choose(os.environ.get("CLUSTER", ""))
        if not isinstance(target, Embedded):
            raise RefusedError("the faults need the embedded cluster: its pods reach a receiver on this machine")
        healthy, said = target.status()
        if not healthy:
            raise RefusedError(f"the faults need a running cluster with our images (make cluster-up images): {said}")
        self.kubeconfig = target.kubeconfig()
        self.kubectl = Kube(self.kubeconfig)
        with ExitStack() as opened:
            install.install(Kubectl(self.kubeconfig), target.load(), target.environment)
            self.faulty_image = opened.enter_context(faultyimage.on_the_node(keep=self._keep))
            self.recorded_image = opened.enter_context(recordedimage.on_the_node(keep=self._keep))
            opened.enter_context(self.receiver)
            self._open = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open:
            if not self._keep:
                try:
                    self._clean_up()
                except AssertionError as refused:
                    # The table is worth more than the order of the cluster.
                    self.say("all", f"not all is cleaned up: {refused}")

    def namespace(self, name: str) -> str:
        """Return the name of a stack's namespace."""
        return f"fault-{name}-{os.getpid()}"

    def make_namespace(self, name: str) -> None:
        """Make a namespace with the restricted Pod Security level; it goes with everything in it at the end."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted", _LABEL: self._mark}
        namespace: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace"}
        Api(self.kubeconfig).create({**namespace, "metadata": {"name": name, "labels": labels}})

    def say(self, who: str, what: str) -> None:
        """Print what happened to which stack."""
        minutes, seconds = divmod(round(time.monotonic() - self._began), 60)
        with self._print:
            sys.stderr.write(f"{minutes:3d}:{seconds:02d}  {who:<22} {what}\n")
            sys.stderr.flush()

    def until(self, done: Callable[[], T], seconds: float, what: str, every: float = LOOK) -> T:
        """Return the first true answer of `done`, which may look around; InterruptedError when the run is to end."""
        deadline = time.monotonic() + seconds
        while not (found := done()):
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {seconds:.0f} s for {what}")
            if self.stop.wait(every):
                raise InterruptedError("the run was stopped")
        return found

    def _clean_up(self) -> None:
        self.say("all", "deleting the namespaces")
        self.kubectl("delete", "namespace", "-l", f"{_LABEL}={self._mark}", "--ignore-not-found", "--wait=false")
        deadline = time.monotonic() + _GONE_SECONDS
        while left := self.kubectl("get", "namespace", "-l", f"{_LABEL}={self._mark}", "-o", "name").split():
            if time.monotonic() > deadline:
                self.say("all", f"still terminating: {', '.join(left)}")
                return
            time.sleep(LOOK)
