"""Pods of a control plane without a node whose programs run on this machine: a real service, a real Prometheus.

Their address is none of the loopback interface, for an API server passes requests on to no other.
"""

from __future__ import annotations

import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import requests
import yaml
from tests.framework import processes
from tests.framework.api import LABEL, eventually
from tests.framework.webserver import Request, Response, WebServer

from devcluster.build.binaries import binary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.framework.api import Api
    from tests.framework.server import Server

#: A stack of these two alone, which is scraped often.
SPEC = {
    "containerMetrics": "none",
    "grafana": {"enabled": False},
    "alerting": {"enabled": False},
    "networkPolicy": {"enabled": False},
    "prometheus": {"scrapeInterval": "1s"},
}


def own_address() -> str:
    """An address of this machine by which others reach it; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


def service_pod(address: str, service: Server, loses: Callable[[Request], bool] = lambda _: False) -> WebServer:
    """A pod that passes everything on to a real service, but for what it loses."""

    def answer(request: Request) -> Response:
        if loses(request):
            return Response("lost", 404)
        found = service.get(request.full_path.rstrip("?"), allow_redirects=False)
        return Response(found.content, found.status_code, content_type=found.headers.get("Content-Type"))

    return WebServer(address, answer, 5000)


def runs_at(api: Api, namespace: str, component: str, address: str) -> str:
    """Play the kubelet for the one pod of a component; return its name."""
    selector = f"{LABEL}=shop,app.kubernetes.io/component={component}"
    (pod,) = eventually(lambda: api.list("Pod", namespace, selector), f"the pod of the {component}")
    ready = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
    status = {**ready, "conditions": [{"type": "Ready", "status": "True"}]}
    api.patch("Pod", namespace, pod["metadata"]["name"], {"status": status}, subresource="status")
    return str(pod["metadata"]["name"])


@contextmanager
def prometheus(folder: Path, address: str, files: dict[str, str], kubeconfig: Path) -> Iterator[None]:
    """Run a real Prometheus with the stack's own jobs for the service and for itself, and its recording rules."""
    config = yaml.safe_load(files["prometheus.yml"])
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    jobs["service"]["kubernetes_sd_configs"][0]["kubeconfig_file"] = str(kubeconfig)
    jobs["prometheus"]["static_configs"][0]["targets"] = [f"{address}:9090"]
    rules = folder / "recording.rules.yml"
    rules.write_text(files[rules.name].replace("interval: 15s", "interval: 1s"))
    own = {"global": config["global"], "scrape_configs": [jobs["service"], jobs["prometheus"]]}
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(own | {"rule_files": [str(rules)]}))
    command = [binary("prometheus"), f"--config.file={file}", f"--storage.tsdb.path={folder}/data"]
    command += [f"--web.listen-address={address}:9090"]

    def ready() -> bool:
        with suppress(requests.ConnectionError):
            return requests.get(f"http://{address}:9090/-/ready", timeout=10).ok
        return False

    with (folder / "log").open("a") as log, processes.running(command, stdout=log, stderr=log):
        eventually(ready, f"Prometheus, see {folder}/log")
        yield
