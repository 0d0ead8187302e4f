"""Faults between the service's /metrics and Prometheus."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.faults.misbehaviour import STOCK
from tests.faults.planted.fault import AFTER_TIMEOUT, Group, Planted

if TYPE_CHECKING:
    from tests.faults.planted.fixture import PlantedFixture

_TIMES_OUT = "Prometheus' next scrape has to time out first: three intervals and the time-out"
_TO_METRICS = ("-p", "tcp", "--dport", "5000")


def _misbehave(fixture: PlantedFixture, how: str) -> None:
    fixture.misbehave(how)


def _behave(fixture: PlantedFixture) -> None:
    fixture.behave()


def _closed(fixture: PlantedFixture) -> None:
    """Take the port with the metrics out of the service's policy, and drop the packets that it no longer allows."""
    policy = {"spec": {"ingress": [{"ports": [{"port": 5001, "protocol": "TCP"}]}]}}
    fixture.api.patch("NetworkPolicy", fixture.namespace, fixture.name_of("service"), policy)
    fixture.undo.enter_context(fixture.dropped("service", *_TO_METRICS))


def _lost(fixture: PlantedFixture) -> None:
    source = fixture.pod("prometheus")["status"]["podIP"]
    fixture.undo.enter_context(fixture.dropped("service", *_TO_METRICS, "-s", source))


def _open(fixture: PlantedFixture) -> None:
    fixture.undo.close()
    fixture.apply()


EXPOSITION = Group(
    name="exposition",
    spec={"alerting": {"enabled": False}},
    faulty=True,
    # So long after a product was made its stock may just not be scraped yet: two intervals and 15 seconds.
    settles=45.0,
    faults=(
        Planted(
            name="metrics-path-broken",
            what="the service answers /metrics with 500",
            about="MetricsExposed",
            reason="NotAnswered",
            words=("pod shop-inventory-", "answers /metrics with 500, expected 200"),
            explained=("the pod of the service does not answer /metrics at port 5000 with 200: read its log",),
            plant=partial(_misbehave, how="error"),
            repair=_behave,
        ),
        Planted(
            name="exposition-invalid",
            what="a line of /metrics is no sample",
            about="MetricsExposed",
            reason="BadExposition",
            words=("pod shop-inventory-", "line 1 of /metrics is not valid"),
            explained=("Prometheus takes nothing of that page: the image of the service is not ours",),
            plant=partial(_misbehave, how="invalid"),
            repair=_behave,
        ),
        Planted(
            name="exposition-slow",
            what="/metrics takes 12 s, longer than Prometheus waits",
            about="MetricsExposed",
            reason="NotAnswered",
            words=("pod shop-inventory-", "at port 5000: read its log"),
            explained=("the pod of the service does not answer /metrics",),
            plant=partial(_misbehave, how="sleep=12"),
            repair=_behave,
        ),
        Planted(
            name="metric-renamed",
            what="http_requests_total has another name",
            about="MetricsExposed",
            reason="MetricMissing",
            words=("pod shop-inventory-", "does not expose http_requests_total at /metrics"),
            explained=("the image of the service is another than this operator's",),
            plant=partial(_misbehave, how="renamed"),
            repair=_behave,
        ),
        Planted(
            name="stock-wrong",
            what=f"the service tells Prometheus alone that every product has a stock of {STOCK}",
            about="BusinessMetrics",
            reason="StockDiffers",
            words=("product_stock_level of product", "is another in Prometheus than pod shop-inventory-"),
            explained=("somebody else exports it, or the pods have different databases",),
            plant=partial(_misbehave, how="stock"),
            repair=_behave,
            limit=50.0,
            slower="stock is compared every half minute while all is well, and has to be scraped before",
        ),
        Planted(
            name="network-policy",
            what="the service's NetworkPolicy closes port 5000, and such packets are dropped",
            about="ServiceScraped",
            reason="NetworkPolicyBlocks",
            words=("pod shop-inventory-", "probably NetworkPolicy shop-inventory lets nothing through to port 5000"),
            explained=("the named network policy lets nothing from Prometheus through",),
            plant=_closed,
            repair=_open,
            paused=True,
            limit=AFTER_TIMEOUT,
            slower=_TIMES_OUT,
        ),
        Planted(
            name="packets-lost",
            what="packets from Prometheus to the service are dropped, and no policy is the cause",
            about="ServiceScraped",
            reason="Timeout",
            words=("pod shop-inventory-", "does not answer Prometheus within the scrape timeout"),
            explained=("it is overloaded, shows too many products, or is unreachable",),
            plant=_lost,
            repair=_open,
            limit=AFTER_TIMEOUT,
            slower=_TIMES_OUT,
        ),
    ),
)
