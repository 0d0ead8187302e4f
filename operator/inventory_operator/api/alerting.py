"""The part of a stack's spec that is about alerting: Alertmanager, escalation, heartbeat, mute times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, get_args

from annotated_types import MaxLen
from pydantic import Field, model_validator

from inventory_operator.api.errors import raise_cross_field_errors
from inventory_operator.api.markers import CelRule, CelRules, Doc, NotStored
from inventory_operator.api.objectives import Slo
from inventory_operator.api.placement import Placement, placement_of
from inventory_operator.api.quantities import BoundedInt, duration
from inventory_operator.api.receivers import ReceiverName, Receivers
from inventory_operator.api.references import SecretKeyRef
from inventory_operator.api.resources import Model, Resources, Storage, resources, with_defaults
from inventory_operator.api.strings import Image, MuteTimeName, TimeOfDay, TimeZone

if TYPE_CHECKING:
    from collections.abc import Iterator

ALERTMANAGER_IMAGE = "docker.io/prom/alertmanager:v0.31.1"

_RESOURCES = resources(requests=("10m", "32Mi"), limits=("200m", "128Mi"))

Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class Escalation(Model):
    """Who is told of a critical alert that nobody ended in time."""

    after: Annotated[
        str,
        duration("1m", "1d", "15m"),
        Doc("How long a critical alert fires before: a duration of one unit (m, h or d) from 1m to 1d.", "30m"),
    ] = "15m"
    to: Annotated[ReceiverName, Doc("The receiver, one of those under receivers.", "pagerDuty")]


class Heartbeat(Model):
    """Where the sign of life of the whole chain goes, again and again."""

    secret_key_ref: Annotated[
        SecretKeyRef,
        Doc(
            "The key of a Secret in the stack's namespace that holds the URL. A new value is used without a restart.",
            {"name": "shop-heartbeat", "key": "url"},
        ),
    ]
    interval: Annotated[
        str,
        duration("30s", "1h", "1m"),
        Doc("How often: a duration of one unit (s, m or h) from 30s to 1h.", "5m"),
    ] = "1m"


class TimeRange(Model):
    """From start to end, on the same day; a night is two of them."""

    CEL_RULES: ClassVar[tuple[CelRule, ...]] = (
        CelRule("self.start < self.end", "end is not after start; a night is two ranges", ".end"),
    )

    start: Annotated[TimeOfDay, Doc("The first minute.")]
    end: Annotated[TimeOfDay, Doc("The minute after the last one, at most 24:00.")]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.start >= self.end:
            problem = f"{self.end} is not after start, which is {self.start}; a night is two ranges"
            raise_cross_field_errors([("end", problem)])
        return self


class MuteTime(Model):
    """One such time. All that is given must hold."""

    name: Annotated[MuteTimeName, Doc("The name that receivers use.")]
    weekdays: Annotated[
        tuple[Day, ...],
        MaxLen(7),
        Doc("The days of the week. Every day when left out.", ["saturday", "sunday"]),
    ] = Field((), strict=False)
    times: Annotated[
        tuple[TimeRange, ...],
        MaxLen(5),
        Doc("Parts of the day. The whole day when left out.", [{"start": "22:00", "end": "24:00"}]),
    ] = Field((), strict=False)
    location: Annotated[TimeZone, Doc("The time zone in which days and times are meant.", "Europe/Berlin")] = "UTC"


_NIGHTS = {"name": "nights", "times": [{"start": "22:00", "end": "24:00"}, {"start": "00:00", "end": "06:00"}]}


def _cel_rules() -> Iterator[CelRule]:
    """Yield the rules that names of receivers and of mute times exist."""
    names = get_args(ReceiverName)
    known = " || ".join(f"(self.escalation.to == '{name}' && has(self.receivers.{name}))" for name in names)
    yield CelRule(
        f"!has(self.escalation) || (has(self.receivers) && ({known}))",
        "there is no receiver of this name under receivers",
        ".escalation.to",
    )
    for name in names:
        receiver = f"self.receivers.{name}"
        yield CelRule(
            f"!has(self.receivers) || !has({receiver}) || !has({receiver}.muteTimes) || {receiver}.muteTimes.all(name, "
            "has(self.muteTimes) && self.muteTimes.exists(mute, mute.name == name))",
            "expected names of alerting.muteTimes",
            f".receivers.{name}.muteTimes",
        )


class Alerting(Model):
    """Alert rules, objectives, and the Alertmanager of the stack."""

    CEL_RULES: ClassVar[tuple[CelRule, ...]] = tuple(_cel_rules())

    enabled: Annotated[
        bool,
        Doc("Whether the stack has an Alertmanager. Its volume is kept when it is switched off.", example=False),
    ] = True
    image: Annotated[
        Image, Doc(f"Image of Alertmanager. Without it: {ALERTMANAGER_IMAGE}.", ALERTMANAGER_IMAGE), NotStored()
    ] = ALERTMANAGER_IMAGE
    storage: Annotated[
        Storage,
        Doc(
            "The volume of Alertmanager (silences and what was already sent).",
            {"size": "2Gi", "storageClassName": "fast"},
        ),
    ] = Storage()
    resources: Annotated[
        Resources,
        with_defaults(_RESOURCES),
        Doc(
            "CPU and memory of Alertmanager. What is left out keeps its default.",
            {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}},
        ),
    ] = _RESOURCES
    placement: Annotated[Placement, placement_of("the pods of Alertmanager"), NotStored()] = Placement()
    replicas: Annotated[
        int,
        BoundedInt(1, 3),
        Doc("Alertmanagers that know of each other and send each notification once. Each has a volume of its own.", 2),
    ] = 1
    slo: Annotated[
        Slo | None,
        Doc(
            "What the service is to keep to over seven days. It gives an error budget, its dashboard, and alerts when "
            "the budget is used up too fast, instead of alerts on single symptoms. Needs a retention of at least seven "
            "days.",
            {"availability": "99.9", "latency": {"threshold": "300ms", "objective": "99"}},
        ),
    ] = None
    receivers: Annotated[
        Receivers,
        Doc(
            "Who is told of alerts. Nobody when left out; alerts are then shown only.",
            {"slack": {"secretKeyRef": {"name": "shop-slack"}}},
        ),
    ] = Receivers()
    escalation: Annotated[
        Escalation | None,
        Doc(
            "Who is told of a critical alert that is still firing after a while. This receiver gets critical alerts "
            "only then, and its other severities as usual.",
            {"after": "15m", "to": "pagerDuty"},
        ),
    ] = None
    heartbeat: Annotated[
        Heartbeat | None,
        Doc(
            "Where a sign of life is posted again and again, as long as Prometheus evaluates rules and Alertmanager "
            "sends: a service that raises the alarm when it stays away.",
            {"secretKeyRef": {"name": "shop-heartbeat"}, "interval": "1m"},
        ),
    ] = None
    mute_times: Annotated[
        tuple[Annotated[MuteTime, Doc("One such time. All that is given must hold.", _NIGHTS)], ...],
        MaxLen(10),
        CelRules(
            CelRule("self.all(one, self.exists_one(other, other.name == one.name))", "each needs a name of its own")
        ),
        Doc(
            "Times at which receivers that name them are told nothing. Without days and times it is always such a "
            "time.",
            [{"name": "weekend", "weekdays": ["saturday", "sunday"], "location": "Europe/Berlin"}],
        ),
    ] = Field((), strict=False)

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        raise_cross_field_errors(
            [*self._unknown_receiver(), *self._unknown_mute_times(), *self._duplicate_mute_times()]
        )
        return self

    def _unknown_receiver(self) -> Iterator[tuple[str, str]]:
        if self.escalation and self.escalation.to not in self.receivers.configured():
            yield "escalation.to", f"there is no receivers.{self.escalation.to}"

    def _unknown_mute_times(self) -> Iterator[tuple[str, str]]:
        known = {mute.name for mute in self.mute_times}
        for name, receiver in self.receivers.configured().items():
            if not known.issuperset(receiver.mute_times):
                yield f"receivers.{name}.muteTimes", "expected names of alerting.muteTimes"

    def _duplicate_mute_times(self) -> Iterator[tuple[str, str]]:
        names = [mute.name for mute in self.mute_times]
        if len(set(names)) < len(names):
            yield "muteTimes", "each needs a name of its own"
