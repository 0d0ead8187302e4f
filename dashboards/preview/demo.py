"""The demo's Prometheus, once it has seen enough traffic for rates.

Uses only what a user would: port-forward and the service's API. It never starts the demo.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from dashboards.preview.client import Client
from dashboards.preview.errors import PreviewError
from devcluster import targets, traffic
from devcluster.demostack import NAMESPACE, STACK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: A round of traffic through one port-forward, and how many there may be.
_ROUND_SECONDS, _ROUNDS = 10, 30
#: For as long as the last two minutes: in how many steps of 10 s was there traffic?
BUSY = 'count_over_time((sum(rate(http_requests_total{job="service"}[1m])) > 1)[2m:10s])'
_STEPS = 11


@contextmanager
def prometheus(say: Callable[[str], None]) -> Iterator[str]:
    """Yield the address of the demo's Prometheus when it has two minutes of traffic; ClusterError without a cluster."""
    kubeconfig = targets.choose(os.environ.get("CLUSTER", "")).kubeconfig()

    def send() -> dict[int, int]:
        # Each round has a port-forward of its own: one writes a line per connection until nobody reads them.
        with traffic.forwarded(kubeconfig, NAMESPACE, f"{STACK}-inventory", 5000) as service:
            return traffic.send(service, _ROUND_SECONDS)

    with traffic.forwarded(kubeconfig, NAMESPACE, f"{STACK}-prometheus", 9090) as address:
        client = Client(address)
        try:
            await_traffic(client, send, say)
        finally:
            client.close()
        yield address


def await_traffic(client: Client, send: Callable[[], dict[int, int]], say: Callable[[str], None]) -> None:
    """Send traffic, in rounds, until the last two minutes had some; PreviewError where that never happens."""
    for _ in range(_ROUNDS):
        found = client.at(BUSY, client.now())
        steps = int(float(found[0]["value"][1])) if found else 0
        if steps >= _STEPS:
            return
        say(f"sending traffic: {steps * 10} of {_STEPS * 10} s have some")
        answers = send()
        if not answers.get(HTTPStatus.OK):
            raise PreviewError(f"the demo's service answered no request with 200: {answers}")
    raise PreviewError(f"Prometheus saw no two minutes of traffic, although {_ROUNDS * _ROUND_SECONDS} s were sent")
