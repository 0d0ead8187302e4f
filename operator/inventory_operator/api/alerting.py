"""The part of a stack's spec that is about alerting: objectives, who is told what, when, and when not.

Pure: it checks and fills in, and never asks the API server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from annotated_types import MaxLen, MinLen
from pydantic import Field, model_validator

from inventory_operator.api.errors import contradict
from inventory_operator.api.quantities import Whole, duration
from inventory_operator.api.resources import Model, Resources, Storage, amounts, default, filled
from inventory_operator.api.service import SecretKeyRef
from inventory_operator.api.strings import (
    Account,
    Channel,
    EmailAddress,
    Image,
    MuteTimeName,
    Objective,
    SecretKey,
    Smarthost,
    TimeOfDay,
    TimeZone,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ALERTMANAGER_IMAGE = "docker.io/prom/alertmanager:v0.31.1"
#: The window of an error budget, in seconds: 7 days, of which the retention of 200 h keeps all.
SLO_WINDOW_SECONDS = 7 * 86_400

_ALERTMANAGER = (amounts("10m", "32Mi"), amounts("200m", "128Mi"))

Severity = Literal["critical", "warning", "info"]
Domain = Literal["service", "business", "monitoring", "operator"]
Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
#: The buckets of http_request_duration_seconds, which are the only places where it can be counted
#: (service/inventory_service/telemetry/request_metrics.py).
Threshold = Literal[
    "5ms", "10ms", "25ms", "50ms", "100ms", "200ms", "300ms", "500ms", "1s", "2500ms", "5s", "10s"
]  # fmt: skip
ReceiverName = Literal["slack", "email", "webhook", "pagerDuty"]


class PasswordRef(SecretKeyRef):
    """The key of a Secret that holds a password."""

    key: SecretKey = "password"


class RoutingKeyRef(SecretKeyRef):
    """The key of a Secret that holds a routing key of PagerDuty."""

    key: SecretKey = "routing-key"


class Latency(Model):
    """How many of 100 requests are to be answered within the threshold."""

    threshold: Threshold
    objective: Objective


class Slo(Model):
    """What the service is to keep to over seven days."""

    availability: Objective | None = None
    latency: Latency | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.availability or self.latency):
            contradict([("", "expected at least one of availability and latency")])
        return self


class Receiver(Model):
    """Which alerts somebody gets, and when not."""

    severities: Annotated[tuple[Severity, ...], MinLen(1), MaxLen(3)] = Field(("critical", "warning"), strict=False)
    domains: Annotated[tuple[Domain, ...], MinLen(1), MaxLen(4)] = Field(
        ("service", "business", "monitoring", "operator"), strict=False
    )
    mute_times: Annotated[tuple[MuteTimeName, ...], MaxLen(10)] = Field((), strict=False)
    send_resolved: bool = True


class Slack(Receiver):
    """A channel in Slack, through an incoming webhook."""

    secret_key_ref: SecretKeyRef
    channel: Channel | None = None


class Email(Receiver):
    """Mail through an SMTP server."""

    to: Annotated[tuple[EmailAddress, ...], MinLen(1), MaxLen(20)] = Field(strict=False)
    from_: EmailAddress = Field(alias="from")
    smarthost: Smarthost
    username: Account | None = None
    secret_key_ref: PasswordRef | None = None
    require_tls: bool = Field(default=True, alias="requireTLS")

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if bool(self.username) != bool(self.secret_key_ref):
            contradict([("", "username and secretKeyRef (the password) go together")])
        return self


class Webhook(Receiver):
    """Any program that takes Alertmanager's JSON."""

    secret_key_ref: SecretKeyRef


class PagerDuty(Receiver):
    """A service of PagerDuty, through its Events API v2."""

    secret_key_ref: RoutingKeyRef


class Receivers(Model):
    """Who is told; nobody by default."""

    slack: Slack | None = None
    email: Email | None = None
    webhook: Webhook | None = None
    pager_duty: PagerDuty | None = None

    def configured(self) -> dict[str, Receiver]:
        """Return the receivers that are there, by their names in the spec."""
        named = {"slack": self.slack, "email": self.email, "webhook": self.webhook, "pagerDuty": self.pager_duty}
        return {name: receiver for name, receiver in named.items() if receiver}


class Escalation(Model):
    """Who is told of a critical alert that nobody ended in time."""

    after: Annotated[str, duration("1m", "1d", "15m")] = "15m"
    to: ReceiverName


class Heartbeat(Model):
    """Where the sign of life of the whole chain goes, again and again."""

    secret_key_ref: SecretKeyRef
    interval: Annotated[str, duration("30s", "1h", "1m")] = "1m"


class TimeRange(Model):
    """A part of a day; `24:00` is its end."""

    start: TimeOfDay
    end: TimeOfDay

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.start >= self.end:
            contradict([("end", f"{self.end} is not after start, which is {self.start}; a night is two ranges")])
        return self


class MuteTime(Model):
    """Times at which a receiver that names them is told nothing."""

    name: MuteTimeName
    weekdays: Annotated[tuple[Day, ...], MaxLen(7)] = Field((), strict=False)
    times: Annotated[tuple[TimeRange, ...], MaxLen(5)] = Field((), strict=False)
    location: TimeZone = "UTC"


class Alerting(Model):
    """Alert rules, objectives, and the Alertmanager of the stack."""

    enabled: bool = True
    image: Image = ALERTMANAGER_IMAGE
    replicas: Annotated[int, Whole(1, 3)] = 1
    storage: Storage = Field(default_factory=Storage)
    resources: Annotated[Resources, filled(*_ALERTMANAGER)] = Field(default_factory=default(*_ALERTMANAGER))
    slo: Slo | None = None
    receivers: Receivers = Field(default_factory=Receivers)
    escalation: Escalation | None = None
    heartbeat: Heartbeat | None = None
    mute_times: Annotated[tuple[MuteTime, ...], MaxLen(10)] = Field((), strict=False)

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        contradict([*self._unknown_receiver(), *self._unknown_mute_times(), *self._twice()])
        return self

    def _unknown_receiver(self) -> Iterator[tuple[str, str]]:
        if self.escalation and self.escalation.to not in self.receivers.configured():
            yield "escalation.to", f"there is no receivers.{self.escalation.to}"

    def _unknown_mute_times(self) -> Iterator[tuple[str, str]]:
        known = {mute.name for mute in self.mute_times}
        for name, receiver in self.receivers.configured().items():
            if not known.issuperset(receiver.mute_times):
                yield f"receivers.{name}.muteTimes", "expected names of alerting.muteTimes"

    def _twice(self) -> Iterator[tuple[str, str]]:
        names = [mute.name for mute in self.mute_times]
        if len(set(names)) < len(names):
            yield "muteTimes", "each needs a name of its own"
