"""A control plane without a node, on free ports, for tests: etcd, kube-apiserver and, when asked, the controllers.

It needs no root, and ends with the process that started it.
"""

from __future__ import annotations

import http.client
import ssl
import time
from socket import socket
from typing import TYPE_CHECKING, Self

from devcluster import preflight
from devcluster.build import binaries
from devcluster.errors import ClusterError
from devcluster.node import apiserver, servers
from devcluster.node.pki import SERVICE_NAMES, Pki

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence
    from pathlib import Path

_START_SECONDS = 60.0
_TRIES = 3
_KEPT_LINES = 4


class ControlPlane:
    """A context manager: inside it an API server answers; `kubeconfig` is its administrator's."""

    def __init__(self, folder: Path, *, controller_manager: bool = True) -> None:
        self.folder = folder.resolve()
        self._controllers = controller_manager
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._pki: Pki
        self._place: apiserver.Place

    @property
    def kubeconfig(self) -> Path:
        """Return the administrator's kubeconfig (group system:masters)."""
        return self.folder / "admin.kubeconfig"

    @property
    def audit_log(self) -> Path:
        """Return the API server's audit log: a JSON line per write request."""
        return self._place.audit_log

    @property
    def url(self) -> str:
        """Return the address of the API server."""
        return self._place.url

    def user_kubeconfig(self, name: str, groups: Sequence[str] = ()) -> Path:
        """Return a kubeconfig that makes its bearer the user `name`, a member of `groups`."""
        file = "user-" + name.replace(":", "-").replace("/", "-")
        self._pki.sign(file, name, groups)
        return self._pki.kubeconfig(self.folder / f"{file}.kubeconfig", self._place.url, file)

    def __enter__(self) -> Self:
        """Start everything; ports are taken anew when somebody else was faster."""
        preflight.require_packages(preflight.PKI_PACKAGES)
        binaries.ensure(["control-plane"])
        (self.folder / "log").mkdir(parents=True, exist_ok=True)
        self._pki = Pki(self.folder / "pki")
        names = [*(f"DNS:{name}" for name in (*SERVICE_NAMES, "localhost")), "IP:127.0.0.1"]
        self._pki.sign("apiserver", "kube-apiserver", alternatives=[*names, f"IP:{apiserver.SERVICE_ADDRESS}"])
        self._pki.sign("admin", "admin", ["system:masters"])
        self._pki.sign("controllers", "system:kube-controller-manager")
        for left in reversed(range(_TRIES)):
            try:
                self._start()
            except ClusterError:
                self.stop()
                if not left:
                    raise
            else:
                return self
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything."""
        self.stop()

    def stop(self) -> None:
        """Kill what runs; nothing of it is worth a slow goodbye."""
        for name in list(self._running):
            self._kill(name)

    def stop_apiserver(self) -> None:
        """Kill the API server, and the controllers, which may or may not survive that; etcd keeps everything."""
        self._kill("controllers")
        self._kill("kube-apiserver")

    def start_apiserver(self) -> None:
        """Start the API server on its old port and the controllers; wait until the former is ready."""
        extra = "--bind-address=127.0.0.1", "--endpoint-reconciler-type=none"
        self._run("kube-apiserver", apiserver.kube_apiserver(self._place, self._pki, *extra))
        self._await_ready()
        if self._controllers:
            kubeconfig = self._pki.kubeconfig(self.folder / "controllers.kubeconfig", self._place.url, "controllers")
            self._run("controllers", apiserver.kube_controller_manager(self._pki, kubeconfig))

    def restart_apiserver(self) -> None:
        """Kill the API server and start it again; its clients lose their connections and watches."""
        self.stop_apiserver()
        self.start_apiserver()

    def _start(self) -> None:
        self._place = apiserver.Place(self.folder, *_free_ports())
        url = self._place.url
        self._pki.kubeconfig(self.kubeconfig, url, "admin")
        self._run("etcd", apiserver.etcd(self._place))
        self.start_apiserver()

    def _run(self, name: str, argv: apiserver.Argv) -> None:
        self._running[name] = servers.start_bound(argv, self._place.log / f"{name}.log")

    def _kill(self, name: str) -> None:
        process = self._running.pop(name, None)
        if process is not None:
            process.kill()
            process.wait()

    def _await_ready(self) -> None:
        context = ssl.create_default_context(cafile=str(self._pki.certificate("ca")))
        context.load_cert_chain(self._pki.certificate("admin"), self._pki.key("admin"))
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(self._place.api_port, context):
            for name, process in self._running.items():
                if process.poll() is not None or time.monotonic() > deadline:
                    log = self._place.log / f"{name}.log"
                    said = "\n".join(log.read_text(errors="replace").splitlines()[-_KEPT_LINES:])
                    raise ClusterError(f"the control plane in {self.folder} did not start; {name} said:\n{said}")
            time.sleep(0.05)


def _answers(port: int, context: ssl.SSLContext) -> bool:
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _free_ports() -> tuple[int, int, int]:
    """Return three free ports; all are held while they are chosen, so they differ."""
    with socket() as one, socket() as two, socket() as three:
        for it in (one, two, three):
            it.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1], three.getsockname()[1]
