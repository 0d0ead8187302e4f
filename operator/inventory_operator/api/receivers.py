"""The part of a stack's spec that says who is told of alerts."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from annotated_types import MaxLen, MinLen
from pydantic import Field, model_validator

from inventory_operator.api.errors import raise_cross_field_errors
from inventory_operator.api.markers import CelRule, Doc
from inventory_operator.api.references import PasswordRef, RoutingKeyRef, SecretKeyRef
from inventory_operator.api.resources import Model
from inventory_operator.api.strings import Account, Channel, EmailAddress, MuteTimeName, Smarthost

Severity = Literal["critical", "warning", "info"]
Domain = Literal["service", "business", "monitoring", "operator"]
ReceiverName = Literal["slack", "email", "webhook", "pagerDuty"]


class Receiver(Model):
    """Which alerts somebody gets, and when not."""

    severities: Annotated[
        tuple[Severity, ...],
        MinLen(1),
        MaxLen(3),
        Doc("Which alerts this receiver gets, by severity.", ["critical"]),
    ] = Field(("critical", "warning"), strict=False)
    domains: Annotated[
        tuple[Domain, ...],
        MinLen(1),
        MaxLen(4),
        Doc(
            "Which alerts this receiver gets, by what they are about: the service, the stock (business), the "
            "monitoring itself, or the operator.",
            ["business"],
        ),
    ] = Field(("service", "business", "monitoring", "operator"), strict=False)
    mute_times: Annotated[
        tuple[MuteTimeName, ...],
        MaxLen(10),
        Doc("Names of alerting.muteTimes, times at which this receiver is told nothing.", ["nights"]),
    ] = Field((), strict=False)
    send_resolved: Annotated[bool, Doc("Whether this receiver is also told when an alert is over.", example=False)] = (
        True
    )


class Slack(Receiver):
    """A channel in Slack, through an incoming webhook."""

    secret_key_ref: Annotated[
        SecretKeyRef,
        Doc(
            "The key of a Secret in the stack's namespace that holds the webhook's URL. A new value is used without a "
            "restart.",
            {"name": "shop-slack", "key": "url"},
        ),
    ]
    channel: Annotated[Channel | None, Doc("The channel, where the webhook allows to choose one.", "#shop-alerts")] = (
        None
    )


class Email(Receiver):
    """Mail through an SMTP server."""

    CEL_RULES: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.username) == has(self.secretKeyRef)", "username and secretKeyRef (the password) go together"),
    )

    to: Annotated[tuple[EmailAddress, ...], MinLen(1), MaxLen(20), Doc("Who gets the mail.", ["ops@example.com"])] = (
        Field(strict=False)
    )
    from_: Annotated[EmailAddress, Doc("Who the mail says it is from.", "shop@example.com")] = Field(alias="from")
    smarthost: Annotated[Smarthost, Doc("Host and port of the SMTP server.", "mail.example.com:587")]
    username: Annotated[Account | None, Doc("The user name at the SMTP server; needs secretKeyRef.", "shop")] = None
    secret_key_ref: Annotated[
        PasswordRef | None,
        Doc(
            "The key of a Secret in the stack's namespace that holds the password. A new value is used without a "
            "restart.",
            {"name": "shop-mail", "key": "password"},
        ),
    ] = None
    require_tls: Annotated[bool, Doc("Whether the mail is only handed over encrypted (STARTTLS).", example=False)] = (
        Field(default=True, alias="requireTLS")
    )

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if bool(self.username) != bool(self.secret_key_ref):
            raise_cross_field_errors([("", "username and secretKeyRef (the password) go together")])
        return self


class Webhook(Receiver):
    """Any program that takes Alertmanager's JSON."""

    secret_key_ref: Annotated[
        SecretKeyRef,
        Doc(
            "The key of a Secret in the stack's namespace that holds the URL. A new value is used without a restart.",
            {"name": "shop-webhook", "key": "url"},
        ),
    ]


class PagerDuty(Receiver):
    """A service of PagerDuty, through its Events API v2."""

    secret_key_ref: Annotated[
        RoutingKeyRef,
        Doc(
            "The key of a Secret in the stack's namespace that holds the routing key. A new value is used without a "
            "restart.",
            {"name": "shop-pagerduty", "key": "routing-key"},
        ),
    ]


class Receivers(Model):
    """Who is told; nobody by default."""

    slack: Annotated[
        Slack | None,
        Doc(
            "A channel in Slack, through an incoming webhook.",
            {"secretKeyRef": {"name": "shop-slack"}, "channel": "#shop-alerts"},
        ),
    ] = None
    email: Annotated[
        Email | None,
        Doc(
            "Mail through an SMTP server.",
            {
                "to": ["ops@example.com"],
                "from": "shop@example.com",
                "smarthost": "mail.example.com:587",
                "username": "shop",
                "secretKeyRef": {"name": "shop-mail"},
            },
        ),
    ] = None
    webhook: Annotated[
        Webhook | None,
        Doc("A program of yours that takes Alertmanager's JSON by POST.", {"secretKeyRef": {"name": "shop-webhook"}}),
    ] = None
    pager_duty: Annotated[
        PagerDuty | None,
        Doc(
            "A service of PagerDuty, through its Events API v2.",
            {"secretKeyRef": {"name": "shop-pagerduty"}, "severities": ["critical"]},
        ),
    ] = None

    def configured(self) -> dict[str, Receiver]:
        """Return the receivers that are there, by their names in the spec."""
        named = {"slack": self.slack, "email": self.email, "webhook": self.webhook, "pagerDuty": self.pager_duty}
        return {name: receiver for name, receiver in named.items() if receiver}
