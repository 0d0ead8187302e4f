"""The typed spec of a stack: its fields, their defaults and the rules between them.

Pure: it reads one custom resource and returns a frozen tree or raises InvalidSpec; it never asks the API server.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from annotated_types import MaxLen
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from inventory_operator.api.alerting import SLO_WINDOW_SECONDS, Alerting, PasswordRef
from inventory_operator.api.errors import InvalidSpec, Problem, contradict, explain, invalid
from inventory_operator.api.quantities import duration, duration_seconds, storage_size
from inventory_operator.api.resources import Model, Resources, Storage, amounts, default, filled
from inventory_operator.api.service import SecretKeyRef, Service
from inventory_operator.api.strings import (
    Account,
    AnnotationKey,
    AnnotationValue,
    ConfigMapKey,
    ConfigMapName,
    ExternalLabelName,
    ExternalLabelValue,
    Host,
    Image,
    ObjectName,
    SecretKey,
    StackName,
    Url,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["InvalidSpec", "Spec", "parse"]

PROMETHEUS_IMAGE = "docker.io/prom/prometheus:v3.16.0"
GRAFANA_IMAGE = "docker.io/grafana/grafana:12.3.0"

#: 80 % of it becomes Prometheus' retention by size, and one block plus the write-ahead log must fit.
PrometheusSize = Annotated[str, storage_size("512Mi")]


_PROMETHEUS = (amounts("100m", "256Mi"), amounts("1", "1Gi"))
_GRAFANA = (amounts("100m", "128Mi"), amounts("500m", "512Mi"))


class ConfigMapKeyRef(Model):
    """One key of a ConfigMap in the stack's namespace."""

    name: ConfigMapName
    key: ConfigMapKey


class TokenRef(SecretKeyRef):
    """The key of a Secret that holds a bearer token."""

    key: SecretKey = "token"


class BasicAuth(Model):
    """A user name, and the Secret with its password."""

    username: Account
    secret_key_ref: PasswordRef


class Authorization(Model):
    """The Secret with a bearer token."""

    secret_key_ref: TokenRef


class RemoteWrite(Model):
    """Another place that gets every sample."""

    url: Url
    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None

    @model_validator(mode="after")
    def _at_most_one(self) -> Self:
        if self.basic_auth and self.authorization:
            contradict([("", "choose at most one of basicAuth and authorization")])
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


UserFiles = Annotated[tuple[ConfigMapKeyRef, ...], MaxLen(20)]


class PrometheusStorage(Storage):
    """The volume of Prometheus."""

    size: PrometheusSize = "10Gi"


class Prometheus(Model):
    """The Prometheus of the stack; that retention exceeds the scrape interval follows from their bounds."""

    image: Image = PROMETHEUS_IMAGE
    scrape_interval: Annotated[str, duration("1s", "1m", "10s")] = "10s"
    retention: Annotated[str, duration("2h", "10y", "200h")] = "200h"
    storage: PrometheusStorage = Field(default_factory=PrometheusStorage)
    resources: Annotated[Resources, filled(*_PROMETHEUS)] = Field(default_factory=default(*_PROMETHEUS))
    external_labels: Annotated[dict[ExternalLabelName, ExternalLabelValue], MaxLen(20)] = Field(default_factory=dict)
    additional_rules: UserFiles = Field((), strict=False)
    additional_scrape_configs: UserFiles = Field((), strict=False)
    #: Mounted at /etc/prometheus/secrets/<name>, for the credentials of scrape configurations.
    secrets: Annotated[tuple[ObjectName, ...], MaxLen(20)] = Field((), strict=False)
    remote_write: Annotated[tuple[RemoteWrite, ...], MaxLen(10)] = Field((), strict=False)

    @property
    def credentials(self) -> dict[str, SecretKeyRef]:
        """The Secrets of all receivers of samples, by the name of the file."""
        return {write.credentials_file: write.credentials for write in self.remote_write if write.credentials}


class Grafana(Model):
    """The Grafana of the stack."""

    enabled: bool = True
    image: Image = GRAFANA_IMAGE
    storage: Storage = Field(default_factory=Storage)
    #: A Secret with the keys admin-user and admin-password; None has one generated.
    admin_secret_name: ObjectName | None = None
    resources: Annotated[Resources, filled(*_GRAFANA)] = Field(default_factory=default(*_GRAFANA))
    dashboards: UserFiles = Field((), strict=False)


class Hosts(Model):
    """The host name under which each part is reached from outside; a part without one stays inside."""

    service: Host | None = None
    grafana: Host | None = None
    prometheus: Host | None = None

    @model_validator(mode="after")
    def _some_and_distinct(self) -> Self:
        given = [host for host in (self.service, self.grafana, self.prometheus) if host]
        if not given:
            contradict([("", "expected at least one of service, grafana, prometheus")])
        if len(set(given)) < len(given):
            contradict([("", "each part needs a host of its own, but one is given twice")])
        return self


class Tls(Model):
    """The Secret with the certificate for all hosts."""

    secret_name: ObjectName


class Ingress(Model):
    """Access from outside the cluster; the annotations fit Kubernetes' 256 KiB by their own bounds."""

    class_name: ObjectName | None = None
    hosts: Hosts
    annotations: Annotated[dict[AnnotationKey, AnnotationValue], MaxLen(50)] = Field(default_factory=dict)
    tls: Tls | None = None


class NetworkPolicy(Model):
    """Whether network policies close the paths that the stack does not need."""

    enabled: bool = True


class Spec(Model):
    """What a person wants of one stack."""

    paused: bool = False
    deletion_policy: Literal["Retain", "Delete"] = "Retain"
    container_metrics: Literal["kubelet", "none"] = "kubelet"
    service: Service = Field(default_factory=Service)
    prometheus: Prometheus = Field(default_factory=Prometheus)
    alerting: Alerting = Field(default_factory=Alerting)
    grafana: Grafana = Field(default_factory=Grafana)
    ingress: Ingress | None = None
    network_policy: NetworkPolicy = Field(default_factory=NetworkPolicy)

    @model_validator(mode="after")
    def _history_for_objectives(self) -> Self:
        retention = self.prometheus.retention
        if self.alerting.slo and duration_seconds(retention) < SLO_WINDOW_SECONDS:
            reason = f"an error budget needs 7 days of history, but prometheus.retention is {retention}"
            contradict([("alerting.slo", reason)])
        return self


@cache
def _schema() -> Mapping[str, Any]:
    return Spec.model_json_schema()


def _name_problems(stack: Mapping[str, Any]) -> Iterator[Problem]:
    try:
        TypeAdapter(StackName).validate_python(stack.get("metadata", {}).get("name"))
    except ValidationError as error:
        yield Problem("metadata.name", error.errors()[0]["msg"])


def parse(stack: Mapping[str, Any]) -> Spec:
    """Return the typed spec of a whole custom resource; raise InvalidSpec with every problem found."""
    problems = list(_name_problems(stack))
    given = stack.get("spec")
    try:
        spec = Spec.model_validate({} if given is None else given)
    except ValidationError as error:
        problems += [problem for found in error.errors() for problem in explain(found, _schema())]
    if problems:
        raise invalid(problems)
    return spec
