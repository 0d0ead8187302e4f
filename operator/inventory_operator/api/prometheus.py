"""The part of a stack's spec that is about Prometheus: what it collects, keeps and sends elsewhere."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from annotated_types import MaxLen
from pydantic import Field, model_validator

from inventory_operator.api.errors import raise_cross_field_errors
from inventory_operator.api.markers import CelRule, CelRules, Doc, NotStored
from inventory_operator.api.placement import Placement, placement_of
from inventory_operator.api.quantities import duration, storage_size
from inventory_operator.api.references import PasswordRef, SecretKeyRef, TokenRef, UserFiles
from inventory_operator.api.resources import (
    RESOURCES_EXAMPLE,
    VOLUME_SIZE,
    Model,
    Resources,
    Storage,
    resources,
    with_defaults,
)
from inventory_operator.api.strings import (
    Account,
    ExternalLabelName,
    ExternalLabelValue,
    Image,
    ObjectName,
    Url,
)

PROMETHEUS_IMAGE = "docker.io/prom/prometheus:v3.16.0"

_RESOURCES = resources(requests=("100m", "256Mi"), limits=("1", "1Gi"))


class BasicAuth(Model):
    """A user name, and the Secret with its password."""

    username: Annotated[Account, Doc("The user name.", "shop")]
    secret_key_ref: Annotated[
        PasswordRef,
        Doc(
            "The key of a Secret in the stack's namespace that holds the password. A new value is used without a "
            "restart.",
            {"name": "shop-metrics", "key": "password"},
        ),
    ]


class Authorization(Model):
    """The Secret with a bearer token."""

    secret_key_ref: Annotated[
        TokenRef,
        Doc(
            "The key of a Secret in the stack's namespace that holds the token. A new value is used without a restart.",
            {"name": "shop-metrics", "key": "token"},
        ),
    ]


class RemoteWrite(Model):
    """Another place that gets every sample."""

    CEL_RULES: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!(has(self.basicAuth) && has(self.authorization))", "choose at most one of basicAuth and authorization"
        ),
    )

    url: Annotated[
        Url,
        Doc(
            "The URL of the receiver. A user or password in it is refused, since they belong into a Secret.",
            "https://metrics.example.com/api/v1/write",
        ),
    ]
    basic_auth: Annotated[
        BasicAuth | None,
        Doc(
            "A user name, and the Secret with its password.",
            {"username": "shop", "secretKeyRef": {"name": "shop-metrics"}},
        ),
    ] = None
    authorization: Annotated[
        Authorization | None,
        Doc("The Secret with a bearer token.", {"secretKeyRef": {"name": "shop-metrics"}}),
    ] = None

    @model_validator(mode="after")
    def _at_most_one(self) -> Self:
        if self.basic_auth and self.authorization:
            raise_cross_field_errors([("", "choose at most one of basicAuth and authorization")])
        return self

    @property
    def credentials(self) -> SecretKeyRef | None:
        """The Secret with the password or the token; None where the receiver asks for nothing."""
        given = self.basic_auth or self.authorization
        return given.secret_key_ref if given else None

    @property
    def credentials_file(self) -> str:
        """The name of the file with it; the name of a Secret has no `_`, so no two keys share one."""
        return f"{self.credentials.name}_{self.credentials.key}" if self.credentials else ""


class PrometheusStorage(Storage):
    """The volume of Prometheus: 80 % of it becomes the retention by size, and one block and the WAL must fit."""

    size: Annotated[str, storage_size("512Mi"), VOLUME_SIZE] = "10Gi"


_URL = {"url": "https://metrics.example.com/api/v1/write"}
_LABELS = CelRules(
    CelRule(
        "self.all(name, size(name) <= 63 && name.matches('^[a-zA-Z_][a-zA-Z0-9_]*$') && !name.startsWith('__'))",
        "expected label names like region (letters, digits and '_', not starting with a digit or '__')",
    ),
    CelRule(
        "self.all(name, !(name in ['namespace', 'stack', 'prometheus_replica']))",
        "namespace, stack and prometheus_replica are set by the operator",
    ),
)


class Prometheus(Model):
    """The Prometheus of the stack; that retention exceeds the scrape interval follows from their bounds."""

    image: Annotated[
        Image, Doc(f"Image of Prometheus. Without it: {PROMETHEUS_IMAGE}.", PROMETHEUS_IMAGE), NotStored()
    ] = PROMETHEUS_IMAGE
    scrape_interval: Annotated[
        str,
        duration("1s", "1m", "10s"),
        Doc("How often metrics are collected: a duration of one unit (s or m) from 1s to 1m.", "30s"),
    ] = "10s"
    retention: Annotated[
        str,
        duration("2h", "10y", "200h"),
        Doc(
            "How long metrics are kept: a duration of one unit (h, d, w or y) from 2h to 10y. Older ones go earlier "
            "when they would fill more than 80 % of the volume.",
            "30d",
        ),
    ] = "200h"
    storage: Annotated[
        PrometheusStorage, Doc("The volume of Prometheus.", {"size": "50Gi", "storageClassName": "fast"})
    ] = PrometheusStorage()
    resources: Annotated[
        Resources,
        with_defaults(_RESOURCES),
        Doc("CPU and memory of Prometheus. What is left out keeps its default.", RESOURCES_EXAMPLE),
    ] = _RESOURCES
    placement: Annotated[Placement, placement_of("the pods of Prometheus"), NotStored()] = Placement()
    external_labels: Annotated[
        dict[ExternalLabelName, ExternalLabelValue],
        MaxLen(20),
        _LABELS,
        Doc(
            "Labels that this Prometheus puts on everything it sends elsewhere, alerts for example. The names "
            "namespace, stack and prometheus_replica are the operator's own.",
            {"region": "eu-west-1"},
        ),
    ] = Field({})
    additional_rules: Annotated[
        UserFiles,
        Doc(
            "Your own alerting and recording rules, each a file of groups as Prometheus reads it. promtool checks each "
            "before it is used; one that it refuses is named in the status, and its last good version stays in use.",
            [{"name": "team-rules", "key": "rules.yml"}],
        ),
    ] = Field((), strict=False)
    additional_scrape_configs: Annotated[
        UserFiles,
        Doc(
            "Your own scrape jobs, each a file with scrape_configs as Prometheus reads it. Checked like "
            "additionalRules. Credentials belong into a Secret that is listed under secrets, and are named by their "
            "file.",
            [{"name": "team-jobs", "key": "jobs.yml"}],
        ),
    ] = Field((), strict=False)
    secrets: Annotated[
        tuple[ObjectName, ...],
        MaxLen(20),
        Doc(
            "Secrets in the stack's namespace that Prometheus can read as files under /etc/prometheus/secrets/<name>/, "
            "for the credentials of scrape jobs.",
            ["team-jobs-login"],
        ),
    ] = Field((), strict=False)
    remote_write: Annotated[
        tuple[Annotated[RemoteWrite, Doc("One receiver of samples.", _URL)], ...],
        MaxLen(10),
        Doc(
            "Where every sample is sent as well, with Prometheus' remote write: a long-term storage for example.",
            [_URL | {"basicAuth": {"username": "shop", "secretKeyRef": {"name": "shop-metrics"}}}],
        ),
    ] = Field((), strict=False)

    @property
    def credentials(self) -> dict[str, SecretKeyRef]:
        """The Secrets of all receivers of samples, by the name of the file."""
        return {write.credentials_file: write.credentials for write in self.remote_write if write.credentials}
