"""The part of a stack's spec that is about access from outside the cluster."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from annotated_types import MaxLen
from pydantic import Field, model_validator

from inventory_operator.api.errors import raise_cross_field_errors
from inventory_operator.api.keys import KeySet
from inventory_operator.api.markers import CelRule, Doc
from inventory_operator.api.resources import AtomicModel, Model
from inventory_operator.api.strings import AnnotationValue, Host, ObjectName


def _differ(*parts: str) -> str:
    """Return the expression in CEL that no two of these fields have the same value."""
    pairs = [(one, other) for number, one in enumerate(parts) for other in parts[number + 1 :]]
    return " && ".join(f"!(has(self.{a}) && has(self.{b}) && self.{a} == self.{b})" for a, b in pairs)


class Hosts(Model):
    """The host name under which each part is reached from outside; a part without one stays inside."""

    CEL_RULES: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "has(self.service) || has(self.grafana) || has(self.prometheus)",
            "expected at least one of service, grafana, prometheus",
        ),
        CelRule(
            _differ("service", "grafana", "prometheus"), "each part needs a host of its own, but one is given twice"
        ),
    )

    service: Annotated[
        Host | None,
        Doc(
            "The host name under which the inventory service is reached from outside the cluster. Without it there is "
            "no way in.",
            "shop.example.com",
        ),
    ] = None
    grafana: Annotated[
        Host | None,
        Doc(
            "The host name under which Grafana is reached from outside the cluster. Without it there is no way in.",
            "grafana.example.com",
        ),
    ] = None
    prometheus: Annotated[
        Host | None,
        Doc(
            "The host name under which Prometheus (which asks for no password) is reached from outside the cluster. "
            "Without it there is no way in.",
            "prometheus.example.com",
        ),
    ] = None

    @model_validator(mode="after")
    def _at_least_one_and_distinct(self) -> Self:
        given = [host for host in (self.service, self.grafana, self.prometheus) if host]
        if not given:
            raise_cross_field_errors([("", "expected at least one of service, grafana, prometheus")])
        if len(set(given)) < len(given):
            raise_cross_field_errors([("", "each part needs a host of its own, but one is given twice")])
        return self


class Tls(Model):
    """The Secret with the certificate for all hosts."""

    secret_name: Annotated[
        ObjectName, Doc("A Secret of type kubernetes.io/tls with a certificate for all hosts.", "shop-tls")
    ]


_ANNOTATIONS = KeySet(
    "annotation",
    "cert-manager.io/cluster-issuer",
    "^([-a-z0-9.]+[.])?inventorystack[.]dev/|^kubectl[.]kubernetes[.]io/|^kubernetes[.]io/ingress[.]class$",
    "inventorystack.dev/..., kubectl.kubernetes.io/... and kubernetes.io/ingress.class",
)
AnnotationKey = Annotated[str, _ANNOTATIONS.type]


class Ingress(AtomicModel):
    """Access from outside the cluster; the annotations fit Kubernetes' 256 KiB by their own bounds."""

    class_name: Annotated[
        ObjectName | None,
        Doc(
            "The ingress class, one that the operator's administrator has opened. Without it the cluster's default "
            "class is used.",
            "nginx",
        ),
    ] = None
    hosts: Annotated[
        Hosts,
        Doc(
            "The host name of each part that is to be reached; at least one, each a different one that the operator's "
            "administrator has opened.",
            {"service": "shop.example.com", "grafana": "grafana.example.com"},
        ),
    ]
    annotations: Annotated[
        dict[AnnotationKey, AnnotationValue],
        MaxLen(50),
        _ANNOTATIONS.rules,
        Doc(
            "Annotations of the Ingress, for its controller or cert-manager: those that the operator's administrator "
            "has opened. Never those of inventorystack.dev and kubectl.kubernetes.io, nor kubernetes.io/ingress.class "
            "(use className).",
            {"cert-manager.io/cluster-issuer": "letsencrypt"},
        ),
    ] = Field({})
    tls: Annotated[
        Tls | None,
        Doc(
            "Encryption. Without it the hosts are served over plain HTTP, or as the controller decides.",
            {"secretName": "shop-tls"},
        ),
    ] = None
