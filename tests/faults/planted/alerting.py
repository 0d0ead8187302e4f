"""Faults between Alertmanager and its receiver."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.faults.planted.fault import AFTER_TIMEOUT, Group, Planted
from tests.framework.database import secret
from tests.framework.webserver import Response, WebServer

from devcluster.node.network import NODE_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.planted.fixture import PlantedFixture

_SECRET = "receiver"
_ALERT = "PlantedAlert"


class RefusingReceiver(WebServer):
    """A context manager around a webhook receiver that takes notifications, or refuses them."""

    def __init__(self, address: str) -> None:
        super().__init__(address, lambda _: Response(status=self.status))
        self.status = 200


@contextmanager
def _receiver(fixture: PlantedFixture) -> Iterator[None]:
    with RefusingReceiver(NODE_ADDRESS) as fixture.receiver:
        yield


def _good_url(fixture: PlantedFixture) -> None:
    fixture.api.apply(secret(_SECRET, {"url": fixture.receiver_url()}), fixture.namespace)


def _other_key(fixture: PlantedFixture) -> None:
    fixture.api.patch("Secret", fixture.namespace, _SECRET, {"data": {"url": None, "address": "eA=="}})


def _no_secret(fixture: PlantedFixture) -> None:
    fixture.api.delete("Secret", fixture.namespace, _SECRET)


def _refuse(fixture: PlantedFixture) -> None:
    """Let the receiver refuse, and an alert fire that it should get; its end comes by itself."""
    _answer(fixture, 503)
    now = datetime.now(UTC)
    labels = {"alertname": _ALERT, "severity": "critical", "domain": "service", "namespace": fixture.namespace}
    # It began so long ago that it waits for no others of its group.
    times = {"startsAt": now - timedelta(minutes=2), "endsAt": now + timedelta(hours=1)}
    alert = {"labels": labels, "annotations": {"summary": "It was planted."}}
    answer = fixture.alertmanager.request(
        "POST", "api/v2/alerts", [{**alert, **{key: time.isoformat() for key, time in times.items()}}]
    )
    assert answer.ok, answer.text


def _take(fixture: PlantedFixture) -> None:
    _answer(fixture, 200)


def _answer(fixture: PlantedFixture, status: int) -> None:
    assert fixture.receiver, "the group has a receiver of its own"
    fixture.receiver.status = status


ALERTING = Group(
    name="alerting",
    around=_receiver,
    faults=(
        Planted(
            name="receiver-secret-missing",
            what="the Secret with the receiver's address is deleted",
            about="Stalled",
            reason="MissingReference",
            words=("spec.alerting.receivers.webhook.secretKeyRef", f'Secret "{_SECRET}" not found'),
            explained=("create the Secret", f"describe secret {_SECRET}"),
            plant=_no_secret,
            repair=_good_url,
        ),
        Planted(
            name="receiver-key-missing",
            what="the Secret with the receiver's address has another key",
            about="Stalled",
            reason="MissingReference",
            words=(f"Secret {_SECRET} has no value under key url",),
            explained=("create the Secret, or the key in it", f"describe secret {_SECRET}"),
            plant=_other_key,
            repair=_good_url,
        ),
        Planted(
            name="receiver-refusing",
            what="the receiver answers 503, and an alert fires",
            about="AlertsDelivered",
            reason="NotificationsFailing",
            words=("notifications by webhook fail", "spec.alerting.receivers.webhook"),
            explained=("receiver",),
            plant=_refuse,
            repair=_take,
            limit=AFTER_TIMEOUT,
            slower="a notification has to fail first, and Prometheus to scrape that",
        ),
    ),
)
