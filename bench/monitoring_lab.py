"""A stack's Prometheus with the configuration that the operator renders, as a process on this machine.

It never changes a rule, a limit or a relabelling: only what Kubernetes would discover is put there by hand.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
import requests
import yaml
from tests.rendered import one, rendered, stack
from tests.service.server import free_port

from cluster import servers
from cluster.build import binary
from cluster.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_MOUNTED = "/etc/prometheus/config/"
_DEADLINE = 120.0


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running Prometheus."""

    url: str
    folder: Path
    process: psutil.Process

    def get(self, path: str, **query: Any) -> Any:
        """Return the data of an answer of its API; ClusterError where it refuses."""
        answer = requests.get(f"{self.url}/api/v1/{path}", params=query, timeout=_DEADLINE)
        body = answer.json()
        if body["status"] != "success":
            raise ClusterError(f"Prometheus refused {path} {query}: {body.get('error')}")
        return body["data"]

    def values(self, expression: str, *labels: str) -> dict[tuple[str, ...], float]:
        """Return {values of the labels: value} of an expression now."""
        result = self.get("query", query=expression)["result"]
        return {tuple(each["metric"].get(label, "") for label in labels): float(each["value"][1]) for each in result}

    def value(self, expression: str) -> float:
        """Return the one value of an expression now, 0 where there is none."""
        return sum(self.values(expression).values())

    def memory(self) -> float:
        """Return its resident memory in MB (10**6 bytes)."""
        return float(self.process.memory_info().rss / 1e6)


def configuration(folder: Path, port: int, targets: Mapping[str, Sequence[str]], **spec: Any) -> Path:
    """Write what the operator renders for a stack of `spec`; return prometheus.yml.

    `targets`: job -> host:port; a job without one is left out, as if nothing was found.
    """
    data: dict[str, str] = one(rendered(stack(**spec)), "ConfigMap", "shop-prometheus")["data"]
    folder.mkdir(parents=True, exist_ok=True)
    for key, text in data.items():
        (folder / key).write_text(text.replace(_MOUNTED, f"{folder}/"), "utf-8")
    file = folder / "prometheus.yml"
    config = yaml.safe_load(file.read_text("utf-8"))
    config.pop("alerting", None)
    known = {"prometheus": [f"127.0.0.1:{port}"], **targets}
    jobs = [job for job in config["scrape_configs"] if job["job_name"] in known]
    config["scrape_configs"] = [_found(job, known[job["job_name"]]) for job in jobs]
    file.write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")
    return file


def _found(job: dict[str, Any], targets: Sequence[str]) -> dict[str, Any]:
    """Return the job with these targets, and what Kubernetes would tell of them."""
    kept = {key: value for key, value in job.items() if not key.endswith("sd_configs")}
    labels = job.get("static_configs", [{}])[0].get("labels", {})
    if kept.get("scheme") == "https":
        kept = {key: value for key, value in kept.items() if key not in {"scheme", "authorization", "tls_config"}}
    told = {
        "__meta_kubernetes_namespace": "shop",
        "__meta_kubernetes_pod_phase": "Running",
        "__meta_kubernetes_pod_container_port_number": "5000",
        "__meta_kubernetes_node_name": "node",
    }
    groups = [
        {
            "targets": [target],
            "labels": labels or {**told, "__meta_kubernetes_pod_name": f"shop-inventory-7d9c5b6f4-{number:05}"},
        }
        for number, target in enumerate(targets)
    ]
    return {**kept, "static_configs": groups}


@contextmanager
def running(folder: Path, port: int, *flags: str) -> Iterator[Prometheus]:
    """Run Prometheus on `folder`/prometheus.yml and `folder`/data until the end; the kernel ends it with us."""
    argv: list[str | Path] = [
        binary("prometheus"),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        *flags,
    ]
    log = folder / "prometheus.log"
    process = servers.start_bound(argv, log)
    try:
        prometheus = Prometheus(f"http://127.0.0.1:{port}", folder, psutil.Process(process.pid))
        until = time.monotonic() + _DEADLINE
        while not _ready(prometheus.url):
            if process.poll() is not None or time.monotonic() > until:
                raise ClusterError(f"Prometheus did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield prometheus
    finally:
        process.terminate()
        process.wait()


def _ready(url: str) -> bool:
    with suppress(requests.RequestException):
        return requests.get(f"{url}/-/ready", timeout=5).ok
    return False


def new_port() -> int:
    """Return a port that is free now."""
    return free_port()


def dump(value: Any) -> str:
    """Return a value as one line, for messages."""
    return json.dumps(value, sort_keys=True)
