"""A tenant who only wants a stack: how long the operator takes to create, report and repair it; and the operator."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
from tests.framework.api import Api, condition, eventually, stack

if TYPE_CHECKING:
    from pathlib import Path

    from tests.framework.operators import Operator


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds until a stack was made and reported, a deleted Service was back, a change of the spec was reported."""

    created: float
    repaired: float
    reported: float


class Neighbour:
    """Creates a stack, breaks it, changes it and deletes it, round after round."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self._api, self._namespace = Api(kubeconfig), namespace
        self._numbers = itertools.count(1)

    def round(self) -> Round:
        """Do it once; AssertionError where the operator never does its part."""
        name = f"shop-{next(self._numbers)}"
        began = time.monotonic()
        self._api.create(stack(name), self._namespace)
        self._settled(name)
        created = time.monotonic()
        service = f"{name}-inventory"
        uid = eventually(lambda: self._service(service), "the Service")["metadata"]["uid"]
        self._api.delete("Service", self._namespace, service)
        eventually(lambda: self._service(service).get("metadata", {}).get("uid", uid) != uid, "the Service to be back")
        repaired = time.monotonic()
        self._api.patch("InventoryStack", self._namespace, name, {"spec": {"service": {"lowStockThreshold": 7}}})
        self._settled(name)
        reported = time.monotonic()
        self._api.delete("InventoryStack", self._namespace, name)
        return Round(created - began, repaired - created, reported - repaired)

    def _service(self, name: str) -> dict[str, Any]:
        return self._api.get("Service", self._namespace, name) or {}

    def _settled(self, name: str) -> None:
        def told() -> bool:
            found = self._api.get("InventoryStack", self._namespace, name)
            assert found
            current = found.get("status", {}).get("observedGeneration") == found["metadata"]["generation"]
            return current and bool(condition(found, "Ready"))

        eventually(told, f"the status of {name}")


class Watched(threading.Thread):
    """Looks at an operator all the time: its memory and its answers to /livez. It starts it again as a kubelet does."""

    def __init__(self, operator: Operator) -> None:
        super().__init__(name="watched", daemon=True)
        self._operator = operator
        assert operator.process
        self._process = psutil.Process(operator.process.pid)
        self._ended = threading.Event()
        #: How often the operator ended by itself and was started again: where it could not keep its Lease.
        self.restarts = 0
        #: Bytes of the operator and of all that it started, at most: what they share is counted once (Linux's
        #: proportional set size), as in the working set of a pod.
        self.memory = 0
        self.probes = self.failed_probes = 0
        self.longest_probe = 0.0

    def run(self) -> None:
        """Look until told to stop."""
        prober = threading.Thread(target=self._probe, daemon=True)
        prober.start()
        while not self._ended.wait(0.05):
            self.memory = max(self.memory, self._memory())
            self._operator.start_again()
            if self._operator.process and self._operator.process.pid != self._process.pid:
                self.restarts += 1
                self._process = psutil.Process(self._operator.process.pid)
        prober.join()

    def stop(self) -> None:
        """End it."""
        self._ended.set()
        self.join()

    def _probe(self) -> None:
        while not self._ended.wait(0.2):
            began = time.monotonic()
            self.failed_probes += not self._operator.answers("livez")
            self.probes += 1
            self.longest_probe = max(self.longest_probe, time.monotonic() - began)

    def _memory(self) -> int:
        found = 0
        with contextlib.suppress(psutil.NoSuchProcess):  # the operator ended: whoever waits for it finds out
            words = self._process.cmdline()
            found = self._process.memory_full_info().pss
            for child in self._process.children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):  # a check that has just ended
                    # Until it runs its program, a child has the operator's own memory and command line.
                    found += child.memory_full_info().pss if child.cmdline() != words else 0
        return found
