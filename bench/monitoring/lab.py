"""A stack's Prometheus with the configuration that the operator renders, as a process on this machine.

It never changes a rule, a limit or a relabelling: only what Kubernetes would discover is put there by hand.
"""

from __future__ import annotations

import re
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psutil
import requests
import yaml
from tests.framework import processes
from tests.framework.rendered import one, rendered

from devcluster.build.binaries import binary
from devcluster.errors import ClusterError
from devcluster.node import servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

#: Everything that has rules or series of its own is on.
SPEC: Final[dict[str, Any]] = {
    "alerting": {"slo": {"availability": "99.9", "latency": {"threshold": "300ms", "objective": "99"}}},
}
_MOUNTED = "/etc/prometheus/config/"
_PORTS = {"service": "5000", "alertmanager": "9093"}
_DEADLINE = 180.0


@dataclass(frozen=True, slots=True)
class Target:
    """What is scraped: an address, and the pod that it would be."""

    address: str
    pod: str = ""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running Prometheus."""

    url: str
    folder: Path
    process: psutil.Process

    def get(self, path: str, **query: Any) -> Any:
        """Return the data of an answer of its API; ClusterError where it refuses."""
        return self._data(requests.get(f"{self.url}/api/v1/{path}", params=query, timeout=_DEADLINE), path)

    def snapshot(self) -> Path:
        """Write all that is in memory as a block and return the folder of the snapshot."""
        answer = requests.post(f"{self.url}/api/v1/admin/tsdb/snapshot", timeout=_DEADLINE)
        return self.folder / "data/snapshots" / str(self._data(answer, "snapshot")["name"])

    def values(self, expression: str, *labels: str) -> dict[tuple[str, ...], float]:
        """Return {values of the labels: value} of an expression now."""
        result = self.get("query", query=expression)["result"]
        return {tuple(each["metric"].get(label, "") for label in labels): float(each["value"][1]) for each in result}

    def value(self, expression: str) -> float:
        """Return the one value of an expression now, 0 where there is none."""
        return sum(self.values(expression).values())

    def own(self, name: str) -> float:
        """Return a metric of its own, all series together, asked without its storage: that may hold a history."""
        lines = requests.get(f"{self.url}/metrics", timeout=_DEADLINE).text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if re.match(rf"{name}[{{ ]", line))

    def wait(self, expression: str, what: str) -> None:
        """Return as soon as an expression has a value; ClusterError that says for what was waited."""
        wait_until(lambda: bool(self.values(expression)), what)

    def memory(self) -> float:
        """Return its resident memory in MB (10**6 bytes)."""
        return float(self.process.memory_info().rss / 1e6)

    @staticmethod
    def _data(answer: requests.Response, path: str) -> Any:
        body = answer.json()
        if body["status"] != "success":
            raise ClusterError(f"Prometheus refused {path}: {body.get('error')}")
        return body["data"]


def rendered_for(name: str, namespace: str, **spec: Any) -> list[dict[str, Any]]:
    """Return the objects of a stack."""
    return rendered({"metadata": {"name": name, "namespace": namespace}, "spec": {**SPEC, **spec}})


def configure(folder: Path, targets: Mapping[str, Sequence[Target]], objects: list[dict[str, Any]]) -> None:
    """Write the configuration of a rendered stack's Prometheus; a job without a target is left out.

    Alerts are sent to nobody, and the rules of a stack without objectives are read as well: all rule files there are.
    """
    stack = next(it["metadata"]["labels"]["inventorystack.dev/stack"] for it in objects)
    data: dict[str, str] = one(objects, "ConfigMap", f"{stack}-prometheus")["data"]
    folder.mkdir(parents=True, exist_ok=True)
    for key, text in data.items():
        (folder / key).write_text(text.replace(_MOUNTED, f"{folder}/"), "utf-8")
    config = yaml.safe_load((folder / "prometheus.yml").read_text("utf-8"))
    config.pop("alerting", None)
    listed = {*config["rule_files"], *(str(file) for file in folder.glob("*.rules.yml"))}
    config["rule_files"] = sorted(listed)
    namespace = config["global"]["external_labels"]["namespace"]
    jobs = [job for job in config["scrape_configs"] if targets.get(job["job_name"])]
    config["scrape_configs"] = [_found(job, targets[job["job_name"]], namespace) for job in jobs]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")


def _found(job: dict[str, Any], targets: Sequence[Target], namespace: str) -> dict[str, Any]:
    """Return the job with these targets, and what Kubernetes would tell of them."""
    by_hand = {"scheme", "authorization", "tls_config", "kubernetes_sd_configs", "dns_sd_configs", "static_configs"}
    kept = {key: value for key, value in job.items() if key not in by_hand}
    labels = job.get("static_configs", [{}])[0].get("labels", {})
    told = {
        "__meta_kubernetes_namespace": namespace,
        "__meta_kubernetes_pod_phase": "Running",
        "__meta_kubernetes_pod_container_port_number": _PORTS.get(job["job_name"], ""),
        "__meta_kubernetes_node_name": "node",
    }
    groups = [
        {"targets": [each.address], "labels": {**told, **labels, "__meta_kubernetes_pod_name": each.pod}}
        for each in targets
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
        "--web.enable-admin-api",
        *flags,
    ]
    log = folder / "prometheus.log"
    process = servers.start_bound(argv, log)
    try:
        prometheus = Prometheus(f"http://127.0.0.1:{port}", folder, psutil.Process(process.pid))
        wait_until(lambda: _ready(prometheus.url, log, process.poll()), "Prometheus to start")
        yield prometheus
    finally:
        processes.end(process)


def _ready(url: str, log: Path, ended: int | None) -> bool:
    if ended is not None:
        raise ClusterError(f"Prometheus did not start:\n{log.read_text()[-2000:]}")
    with suppress(requests.RequestException):
        return requests.get(f"{url}/-/ready", timeout=5).ok
    return False


def wait_until(done: Callable[[], bool], what: str) -> None:
    """Return as soon as `done()`; ClusterError that names `what` when it takes too long."""
    until = time.monotonic() + _DEADLINE
    while not done():
        if time.monotonic() > until:
            raise ClusterError(f"waited {_DEADLINE:.0f} s for {what}")
        time.sleep(0.25)
