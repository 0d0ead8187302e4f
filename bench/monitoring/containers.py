"""How many container series a kubelet shows, and how many of them the stack's Prometheus keeps.

It only reads from a cluster that is running already, and says so where there is none.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.monitoring import standins
from bench.monitoring.lab import Target, configure, rendered_for, running
from tests.framework.server import free_port

from devcluster import targets
from devcluster.errors import ClusterError
from devcluster.kubectl import Kubectl

if TYPE_CHECKING:
    from pathlib import Path

_POD: Final = re.compile(r'container="service",.*?namespace="([^"]+)",pod="(.+?)-inventory-[^"]*"')


@dataclass(frozen=True, slots=True)
class Containers:
    """Samples of one scrape of one kubelet; `reason` is why there are none."""

    stack: str = ""
    pods: int = 0
    before: int = 0
    after: int = 0
    reason: str = ""


def measure(folder: Path) -> Containers:
    """Return what the filter of the job cadvisor leaves of a live kubelet's answer."""
    try:
        answer = _kubelet()
    except ClusterError as error:
        return Containers(reason=f"no cluster answers: {error}")
    found = _POD.search(answer)
    if not found:
        return Containers(reason="no stack runs in the cluster that answers")
    namespace, stack = found.groups()
    port = free_port()
    with standins.serving({"/metrics/cadvisor": answer.encode()}) as address:
        configure(
            folder, {"cadvisor": [Target(address)]}, rendered_for(stack, namespace, prometheus={"scrapeInterval": "1s"})
        )
        with running(folder, port) as prometheus:
            after = 'scrape_samples_post_metric_relabeling{job="cadvisor"}'
            prometheus.wait(after, "a scrape of the kubelet's answer")
            before = prometheus.value('scrape_samples_scraped{job="cadvisor"}')
            pods = len(set(re.findall(r'namespace="[^"]+",pod="[^"]+"', answer)))
            return Containers(f"{namespace}/{stack}", pods, int(before), int(prometheus.value(after)))


def _kubelet() -> str:
    kubectl = Kubectl(targets.choose(os.environ.get("CLUSTER", "")).kubeconfig())
    (node, *_) = kubectl("get", "nodes", "-o", "name", timeout=20).split()
    return kubectl("get", "--raw", f"/api/v1/nodes/{node.removeprefix('node/')}/proxy/metrics/cadvisor", timeout=60)
