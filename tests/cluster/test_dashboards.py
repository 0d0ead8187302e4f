"""Every panel of every dashboard has data on a live stack after two minutes of traffic, asked as Grafana would."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from tests.framework.api import eventually, stack
from tests.framework.boards import dashboards
from tests.framework.rendered import ROOT
from tests.framework.stacks import NO_GRAFANA, is_ready

from dashboards.preview import asking, board, variables
from dashboards.preview.client import Client
from devcluster import traffic
from inventory_operator.verification.panel_times import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("stack")

SPEC = {
    **NO_GRAFANA,
    "service": {"loadSampleData": True},
    "alerting": {"slo": {"availability": "99.9", "latency": {"threshold": "300ms", "objective": "99"}}},
}
#: There is no Grafana.
EXPECTED = {"Grafana", "Requests to Grafana"}
SECONDS = 120.0
SCRAPE = 10.0


@pytest.fixture(scope="module")
def client(api, installed, new_namespace, target) -> Iterator[Client]:
    """Prometheus of a stack that had two minutes of traffic."""
    with new_namespace("boards") as namespace:
        api.apply(stack(spec=SPEC), namespace)
        eventually(lambda: is_ready(api, namespace), "the stack to be Ready")
        with traffic.forwarded(target.kubeconfig(), namespace, "shop-inventory", 5000) as address:
            traffic.send(address, SECONDS)
        with traffic.forwarded(target.kubeconfig(), namespace, "shop-prometheus", 9090) as address:
            asked = Client(address)
            yield asked
            asked.close()


def test_every_panel_has_data(client: Client) -> None:
    empty: dict[str, object] = {}
    shown: list[str] = []

    def complete() -> bool:
        now = client.now()
        window = Window(now - 900, now, SCRAPE)
        empty.clear()
        shown.clear()
        for name in dashboards():
            one = board.read(ROOT / "templates/grafana/config/reload" / name)
            scope = variables.resolve(one.variables, window, client, {})
            for answer in asking.ask(one, scope, client):
                if answer.status == asking.DATA:
                    shown.append(answer.title)
                elif answer.status != asking.STATIC:
                    empty[answer.title] = answer.asked
        return empty.keys() <= EXPECTED

    # The last scrapes, and the rules that use them, may be late.
    with suppress(AssertionError):
        eventually(complete, "all panels to have data")
    assert empty.keys() <= EXPECTED, empty
    assert len(shown) > 40
