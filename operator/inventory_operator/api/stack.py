"""The typed spec of a stack: its fields, their defaults and the rules between them.

The only source of the CRD, too (hack/crd.py). Pure: it reads one custom resource and makes no request.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import TypeAdapter, ValidationError, model_validator

from inventory_operator.api.alerting import Alerting
from inventory_operator.api.errors import InvalidSpec, Problem, explain, invalid, raise_cross_field_errors
from inventory_operator.api.grafana import Grafana
from inventory_operator.api.ingress import Ingress
from inventory_operator.api.markers import CelRule, Doc, NotStored
from inventory_operator.api.objectives import SLO_WINDOW_SECONDS
from inventory_operator.api.placement import PLACEMENT_OF_STACK, Placement
from inventory_operator.api.prometheus import Prometheus
from inventory_operator.api.quantities import DURATION_PATTERN, cel_seconds, duration_seconds
from inventory_operator.api.resources import Model
from inventory_operator.api.service import Service
from inventory_operator.api.strings import StackName

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["InvalidSpec", "Spec", "parse"]


class NetworkPolicy(Model):
    """Whether network policies close the paths that the stack does not need."""

    enabled: Annotated[
        bool,
        Doc(
            "Whether network policies close every way in that the stack does not need. The port of the service stays "
            "open inside the cluster; the rest is open to the stack and the operator only. Needs a network plugin that "
            "enforces them.",
            example=False,
        ),
    ] = True


def _enough_history() -> CelRule:
    """Return the rule that Prometheus keeps metrics as long as an error budget needs them."""
    retention = "self.prometheus.retention"
    return CelRule(
        "!has(self.alerting) || !has(self.alerting.slo) || !has(self.prometheus) || "
        f"!has({retention}) || !{retention}.matches('{DURATION_PATTERN}') || "
        f"({cel_seconds(retention)} >= {SLO_WINDOW_SECONDS})",
        "an error budget needs 7 days of history; prometheus.retention is shorter",
        ".alerting.slo",
    )


class Spec(Model):
    """What a person wants of one stack."""

    CEL_RULES: ClassVar[tuple[CelRule, ...]] = (_enough_history(),)

    paused: Annotated[
        bool, Doc("The operator looks at the stack and reports, but changes nothing while this is true.", example=True)
    ] = False
    deletion_policy: Annotated[
        Literal["Retain", "Delete"],
        Doc(
            "What happens to volumes and generated credentials when the stack is deleted. Retain: they stay, and a new "
            "stack of the same name takes them over. Delete: they go with it.",
            "Delete",
        ),
    ] = "Retain"
    container_metrics: Annotated[
        Literal["kubelet", "none"] | None,
        Doc(
            "Where CPU and memory of the stack's containers come from. kubelet: Prometheus asks each node's kubelet. "
            "none: not at all. Without it kubelet where the operator's administrator has opened that, else none.",
            "none",
        ),
    ] = None
    service: Annotated[Service, Doc("The inventory service.", {"replicas": 1, "lowStockThreshold": 5})] = Service()
    prometheus: Annotated[
        Prometheus, Doc("The Prometheus that watches the stack.", {"retention": "30d", "storage": {"size": "50Gi"}})
    ] = Prometheus()
    alerting: Annotated[
        Alerting, Doc("Alert rules, and the Alertmanager that sends alerts on.", {"enabled": False})
    ] = Alerting()
    grafana: Annotated[
        Grafana, Doc("The Grafana with the stack's dashboards.", {"adminSecretName": "shop-grafana-login"})
    ] = Grafana()
    ingress: Annotated[
        Ingress | None,
        Doc(
            "Access from outside the cluster through an ingress controller. Off when left out.",
            {"className": "nginx", "hosts": {"service": "shop.example.com"}},
        ),
    ] = None
    network_policy: Annotated[NetworkPolicy, Doc("Protection inside the cluster.", {"enabled": False})] = (
        NetworkPolicy()
    )
    placement: Annotated[Placement, PLACEMENT_OF_STACK, NotStored()] = Placement()

    @model_validator(mode="after")
    def _history_for_objectives(self) -> Self:
        retention = self.prometheus.retention
        if self.alerting.slo and duration_seconds(retention) < SLO_WINDOW_SECONDS:
            reason = f"an error budget needs 7 days of history, but prometheus.retention is {retention}"
            raise_cross_field_errors([("alerting.slo", reason)])
        return self


@cache
def _schema() -> Mapping[str, Any]:
    return Spec.model_json_schema()


_NAME = TypeAdapter(StackName)


def _name_problems(stack: Mapping[str, Any]) -> Iterator[Problem]:
    try:
        _NAME.validate_python(stack.get("metadata", {}).get("name"))
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
