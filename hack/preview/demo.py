"""The demo's Prometheus, once it has seen enough traffic for rates.

Uses only what a user would: port-forward and the service's API. It never starts the demo.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cluster import targets, traffic
from cluster.demo import NAMESPACE, STACK
from preview.client import Client
from preview.errors import PreviewError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: A round of traffic through one port-forward, and how many there may be.
_ROUND_SECONDS, _ROUNDS = 10, 30
#: For as long as the last two minutes: in how many steps of 10 s was there traffic?
_BUSY = 'count_over_time((sum(rate(http_requests_total{job="service"}[1m])) > 1)[2m:10s])'
_STEPS = 11


@contextmanager
def prometheus(say: Callable[[str], None]) -> Iterator[str]:
    """Yield the address of the demo's Prometheus when it has two minutes of traffic; ClusterError without a cluster."""
    kubeconfig = targets.choose(os.environ.get("CLUSTER", "")).kubeconfig()
    with traffic.forwarded(kubeconfig, NAMESPACE, f"{STACK}-prometheus", 9090) as address:
        _await_traffic(kubeconfig, address, say)
        yield address


def _await_traffic(kubeconfig: Path, address: str, say: Callable[[str], None]) -> None:
    """Send traffic until there are rates; as soon as the last two minutes have some."""
    client = Client(address)
    try:
        for _ in range(_ROUNDS):
            found = client.at(_BUSY, client.now())
            steps = int(float(found[0]["value"][1])) if found else 0
            if steps >= _STEPS:
                return
            say(f"sending traffic: {steps * 10} s of the last two minutes have some")
            with traffic.forwarded(kubeconfig, NAMESPACE, f"{STACK}-inventory", 5000) as service:
                answers = traffic.send(service, _ROUND_SECONDS)
            if not answers.get(200):
                raise PreviewError(f"the demo's service answered no request with 200: {answers}")
    finally:
        client.close()
    raise PreviewError(f"Prometheus saw no two minutes of traffic, although {_ROUNDS * _ROUND_SECONDS} s were sent")
