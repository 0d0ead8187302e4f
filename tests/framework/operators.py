"""Operators as processes of their own, with exactly the rights that operator/deploy gives, and what they wrote."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import yaml
from tests.framework import processes
from tests.framework.api import LABEL, PATIENCE, Api, condition, eventually
from tests.framework.server import free_port

from devcluster.build.binaries import binary
from devcluster.install import OPENED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devcluster.node.controlplane import ControlPlane

ROOT = Path(__file__).parents[2]
USER = "system:serviceaccount:{namespace}:inventory-operator"
#: The exit code of an operator that ended by itself (inventory_operator.__main__), and the most common cause.
EXIT_RESTART = 4
LEASE_LOST = "the Lease is lost"
#: Renewing a Lease and asking for rights change nothing that anybody watches.
EXEMPT = {"leases", "selfsubjectaccessreviews", "tokenreviews", "subjectaccessreviews"}
#: An operator that renewed its Lease so often did not stand still: it does so every two seconds.
RENEWALS = 3


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
    user = USER.format(namespace="inventory-system")
    eventually(lambda: permitted(api, user, "patch", "inventorystack.dev/inventorystacks/status"), "the ClusterRole")
    eventually(lambda: permitted(api, user, "create", "coordination.k8s.io/leases", "inventory-system"), "the Role")
    return api


def reader_token(api: Api, kubectl: Path) -> str:
    """Return a token of who may read of all stacks in an operator's metrics, as operator/deploy/monitoring has it."""
    objects = {obj["kind"]: obj for obj in kustomized(kubectl, "monitoring")}
    account = objects["ServiceAccount"]["metadata"]
    for kind in ("ClusterRole", "ServiceAccount", "ClusterRoleBinding"):
        api.apply(objects[kind], account["namespace"])
    return token_of(api, account["namespace"], account["name"])


def token_of(api: Api, namespace: str, account: str) -> str:
    """Return a new token of a service account."""
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = f"api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    response = api.request("POST", path, request)
    assert response.ok, response.text
    return str(response.json()["status"]["token"])


def permitted(api: Api, user: str, verb: str, what: str, namespace: str = "") -> bool:
    """Tell whether the API server lets a user do that: it heeds a role a moment after it was written.

    `what` is group/resource or group/resource/subresource.
    """
    group, resource, subresource = [*what.split("/"), ""][:3]
    attributes = {"group": group, "resource": resource, "subresource": subresource, "verb": verb}
    spec = {"user": user, "resourceAttributes": attributes | {"namespace": namespace}}
    answer = api.request("POST", "apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})
    return answer.ok and bool(answer.json()["status"]["allowed"])


def has_its_pods(deployment: dict[str, Any]) -> bool:
    """Tell whether the controllers have made all pods of a Deployment, one of its newest template, or may make none."""
    state, wanted = deployment.get("status", {}), deployment["spec"]["replicas"]
    if state.get("observedGeneration") != deployment["metadata"]["generation"]:
        return False
    if condition(deployment, "ReplicaFailure").get("status") == "True":
        return True
    return bool(state.get("replicas", 0) >= wanted and state.get("updatedReplicas", 0) >= min(wanted, 1))


class Operator:
    """A running operator process; a context manager that ends it and shows its log when the test fails.

    Within it, one that lost its Lease is started again as a kubelet does: it does where an API server stands still.
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
        #: Whether it is to run, and how long its log was when it was started.
        self._wanted, self._log_begins = False, 0
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()  # `__exit__` is not called when this method fails
            raise
        self._keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._keeper.join()
        self.stop()

    def _keep(self) -> None:
        """Start it again each time that it lost its Lease; another end is a defect, and stays."""
        while not self._over.wait(0.2):
            with self._lock:
                if self._wanted and self.process and self.process.poll() == EXIT_RESTART:
                    with self.log.open("rb") as log:
                        log.seek(self._log_begins)
                        lost = LEASE_LOST.encode() in log.read()
                    if lost:
                        self.start_again()

    @contextmanager
    def ending(self) -> Iterator[Self]:
        """End the process when the block ends; the block itself starts it, and nothing else starts it again."""
        try:
            yield self
        finally:
            self.stop()

    def start(self, *, wait: bool = True) -> None:
        with self._lock, self.log.open("ab") as out:
            self._wanted, self._log_begins = True, self.log.stat().st_size
            self.process = subprocess.Popen(self._command, stdout=out, stderr=out, env=self._environment)
        if wait:
            self.wait_ready()

    def start_again(self) -> None:
        """Start it where it ended, as a kubelet does: an API server that is away for long costs it its Lease."""
        with self._lock:
            if self._wanted and self.process is not None and self.process.poll() == EXIT_RESTART:
                self.start(wait=False)

    def wait_ready(self, seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while not self.answers("readyz"):
            assert self.process is not None
            assert self.process.poll() is None, f"the operator ended: {self.log.read_text()[-3000:]}"
            assert time.monotonic() < deadline, f"the operator is not ready: {self.log.read_text()[-3000:]}"
            time.sleep(0.05)

    def _ask(self, path: str, token: str = "") -> str | None:
        """Return what it answers with 200; None where it answers something else, or not at all."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            asked = urllib.request.Request(f"http://127.0.0.1:{self.port}/{path}", headers=headers)
            with urllib.request.urlopen(asked, timeout=PATIENCE) as response:
                return str(response.read().decode()) if response.status == 200 else None
        except (urllib.error.URLError, OSError, HTTPException):
            return None

    def answers(self, path: str) -> bool:
        return self._ask(path) is not None

    def metrics(self, query: str = "", token: str = "") -> str:
        """Return its metrics, once it answers: it may have been started again. Of stacks only with a `reader_token`."""
        found = eventually(lambda: self._ask(f"metrics{query}", token), "the operator's metrics")
        assert found
        return found

    def leads(self) -> bool:
        return self.answers("readyz") and "inventory_operator_leader 1.0" in (self._ask("metrics") or "")

    def kill(self) -> None:
        assert self.process is not None
        with self._lock:
            self._wanted = False
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(PATIENCE)

    def stop(self) -> None:
        """Stop it as a rollout does; the test fails when the process does not end by itself."""
        with self._lock:
            self._wanted = False
            if self.process is None:
                return
            try:
                if self.process.poll() is None:
                    self.process.terminate()
                    self.process.wait(PATIENCE)
            finally:
                processes.end(self.process, patience=0)


class Audit:
    """The write requests of one user, from the API server's own audit log.

    With `api` it waits for pods, too: where there are controllers that make them.
    """

    def __init__(self, log: Path, user: str, api: Api | None = None) -> None:
        self._log = log
        self._user = user
        self._api = api
        self._offset = 0

    def mark(self) -> None:
        """Count only what comes after this."""
        self._offset = self._log.stat().st_size

    def settle(self, namespace: str = "") -> None:
        """Wait until what is under way has ended, and mark: pods come late, and are annotated then.

        An operator that stands still writes nothing either, so it must have renewed its Lease meanwhile.
        """

        def still() -> bool:
            self.mark()
            eventually(lambda: self._renewals() >= RENEWALS, "the operator to renew its Lease")
            return self.writes(namespace) == []

        if self._api:
            eventually(lambda: self._pods_are_made(namespace), "the controllers to make all pods")
        eventually(still, "the operator to have done what it does")
        self.mark()

    def _pods_are_made(self, namespace: str) -> bool:
        assert self._api
        scope = f"namespaces/{namespace}/" if namespace else ""
        answer = self._api.request("GET", f"apis/apps/v1/{scope}deployments", labelSelector=LABEL)
        return answer.ok and all(has_its_pods(one) for one in answer.json()["items"])

    def _renewals(self) -> int:
        """Return how often the operator has renewed its Lease since the mark."""
        return sum(
            event["user"]["username"] == self._user and event.get("objectRef", {}).get("resource") == "leases"
            for event in self._events()
        )

    def _events(self) -> list[dict[str, Any]]:
        with self._log.open("rb") as log:
            log.seek(self._offset)
            return [json.loads(line) for line in log if line.endswith(b"\n")]

    def writes(self, namespace: str = "") -> list[str]:
        """Every write since the mark, as `verb resource/name`; only those in `namespace` where one is given.

        Tests that share an operator ask for their own namespace's. A write is in the log a moment after it can be seen.
        """
        found = []
        for event in self._events():
            target = event.get("objectRef", {})
            if namespace and target.get("namespace") != namespace:
                continue
            if event["verb"] not in {"create", "update", "patch", "delete", "deletecollection"}:
                continue
            if event["user"]["username"] == self._user and target.get("resource") not in EXEMPT:
                subresource = f"/{target['subresource']}" if "subresource" in target else ""
                found.append(f"{event['verb']} {target.get('resource')}{subresource}/{target.get('name', '')}")
        return found
