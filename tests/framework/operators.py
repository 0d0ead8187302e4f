"""Operators as processes of their own, with exactly the rights that operator/deploy gives, and what they wrote."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import yaml
from tests.framework import processes
from tests.framework.api import PATIENCE, Api, eventually
from tests.framework.server import free_port

from devcluster.build.binaries import binary
from devcluster.install import OPENED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devcluster.node.controlplane import ControlPlane

ROOT = Path(__file__).parents[2]
USER = "system:serviceaccount:{namespace}:inventory-operator"
#: The exit code of an operator that ended by itself (inventory_operator.__main__).
EXIT_RESTART = 4
#: Renewing a Lease and asking for one's rights change nothing that anybody watches.
EXEMPT = {"leases", "selfsubjectaccessreviews"}


def kustomized(kubectl: Path, variant: str) -> list[dict[str, Any]]:
    """The objects of operator/deploy/<variant>, but its Deployment: the operator runs as a process here."""
    text = subprocess.run(
        [kubectl, "kustomize", ROOT / "operator/deploy" / variant], check=True, capture_output=True, text=True
    ).stdout
    return [obj for obj in yaml.safe_load_all(text) if obj["kind"] not in {"Deployment", "Service"}]


def prepare(control_plane: ControlPlane, kubectl: Path) -> Api:
    """Install the CRD and the cluster-wide roles; return the administrator's client once the CRD is served."""
    api = Api(control_plane.kubeconfig)
    for obj in kustomized(kubectl, "cluster-wide"):
        api.apply(obj, obj["metadata"].get("namespace"))
    crd = yaml.safe_load((ROOT / "crds/inventorystacks.yaml").read_text())["metadata"]["name"]

    def served() -> bool:
        conditions = (api.get("CustomResourceDefinition", None, crd) or {}).get("status", {}).get("conditions", ())
        listed = api.request("GET", "apis/inventorystack.dev/v1alpha1/inventorystacks")
        return listed.ok and any(c["type"] == "Established" and c["status"] == "True" for c in conditions)

    eventually(served, "the CRD to be served")
    return api


class Operator:
    """A running operator process; a context manager that ends it and shows its log when the test fails.

    What stacks may have beyond their namespace is open as in the demo, unless `environment` says something else.
    """

    def __init__(self, kubeconfig: Path, log: Path, *flags: str, **environment: str) -> None:
        self.port = free_port()
        self.log = log
        self._command = [sys.executable, "-m", "inventory_operator", "run", "--http-port", str(self.port), *flags]
        # As in its image: what judges configuration is on the path.
        path = ":".join([*(str(binary(name).parent) for name in ("promtool", "amtool")), os.environ["PATH"]])
        self._environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "PYTHONUNBUFFERED": "1",
            "PATH": path,
            **OPENED,
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()  # `__exit__` is not called when this method fails
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @contextmanager
    def ending(self) -> Iterator[Self]:
        """End the process when the block ends; the block itself starts it, and may kill it and start it again."""
        try:
            yield self
        finally:
            self.stop()

    def start(self, *, wait: bool = True) -> None:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(self._command, stdout=out, stderr=out, env=self._environment)
        if wait:
            self.wait_ready()

    def start_again(self) -> None:
        """Start it where it ended, as a kubelet does: an API server that is away for long costs it its Lease."""
        if self.process is not None and self.process.poll() == EXIT_RESTART:
            self.start(wait=False)

    def wait_ready(self, seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while not self.answers("readyz"):
            assert self.process is not None
            assert self.process.poll() is None, f"the operator ended: {self.log.read_text()[-3000:]}"
            assert time.monotonic() < deadline, f"the operator is not ready: {self.log.read_text()[-3000:]}"
            time.sleep(0.05)

    def answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=30) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as response:
            return str(response.read().decode())

    def leads(self) -> bool:
        return self.answers("readyz") and "inventory_operator_leader 1.0" in self.metrics()

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)

    def stop(self) -> None:
        """Stop it as a rollout does; the test fails when the process does not end by itself."""
        if self.process is None:
            return
        try:
            if self.process.poll() is None:
                self.process.terminate()
                self.process.wait(processes.PATIENCE)
        finally:
            processes.end(self.process, patience=0)


class Audit:
    """The write requests of one user, from the API server's own audit log."""

    def __init__(self, log: Path, user: str) -> None:
        self._log = log
        self._user = user
        self._offset = 0

    def mark(self) -> None:
        """Count only what comes after this."""
        self._offset = self._log.stat().st_size

    def settle(self, namespace: str = "") -> None:
        """Wait until what is under way has ended, and mark: pods come late, and are annotated then."""

        def still() -> bool:
            self.mark()
            time.sleep(4)
            return self.writes(namespace) == []

        eventually(still, "the operator to have done what it does")
        self.mark()

    def writes(self, namespace: str = "") -> list[str]:
        """Every write since the mark, as `verb resource/name`; only those in `namespace` where one is given.

        Tests that share an operator ask for their own namespace's.
        """
        with self._log.open("rb") as log:
            log.seek(self._offset)
            events = [json.loads(line) for line in log if line.endswith(b"\n")]
        found = []
        for event in events:
            target = event.get("objectRef", {})
            if namespace and target.get("namespace") != namespace:
                continue
            if event["verb"] not in {"create", "update", "patch", "delete", "deletecollection"}:
                continue
            if event["user"]["username"] == self._user and target.get("resource") not in EXEMPT:
                subresource = f"/{target['subresource']}" if "subresource" in target else ""
                found.append(f"{event['verb']} {target.get('resource')}{subresource}/{target.get('name', '')}")
        return found
