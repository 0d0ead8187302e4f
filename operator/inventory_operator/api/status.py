"""The status of a stack as the CRD describes it; status/conditions.py makes it."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import MaxLen
from pydantic import Field

from inventory_operator.api.markers import Doc
from inventory_operator.api.resources import Model
from inventory_operator.version import __version__

_Generation = Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})]
_ObservedGeneration = Annotated[int, Field(ge=-1, json_schema_extra={"format": "int64"})]
_Url = Annotated[str, MaxLen(1024)]

_Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
_Reason = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z]+$")]
_Message = Annotated[str, MaxLen(512)]

_CHECK = {
    "check": "ServiceScraped",
    "status": "Passed",
    "reason": "ServiceScraped",
    "message": "Prometheus scrapes every pod of the service",
    "since": "2026-01-01T00:00:00Z",
}
_TARGET = {
    "pod": "shop-inventory-5d8f7c9b6-x2x7z",
    "reason": "NotSelected",
    "message": "is not discovered by Prometheus: no selector of its job service selects it; restore the job",
}

_READY = {
    "type": "Ready",
    "status": "True",
    "reason": "Available",
    "message": "everything works",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


class Endpoints(Model):
    """Where the parts answer."""

    service: Annotated[_Url | None, Doc("URL of the inventory service.", "http://shop-inventory.shop.svc:5000")] = None
    prometheus: Annotated[_Url | None, Doc("URL of Prometheus.", "http://shop-prometheus.shop.svc:9090")] = None
    alertmanager: Annotated[_Url | None, Doc("URL of Alertmanager.", "http://shop-alertmanager.shop.svc:9093")] = None
    grafana: Annotated[_Url | None, Doc("URL of Grafana.", "http://shop-grafana.shop.svc:3000")] = None


class Condition(Model):
    """One statement about the stack.

    Bounds and patterns are those of `metav1.Condition` (k8s.io/apimachinery/pkg/apis/meta/v1/types.go).
    """

    type: Annotated[
        str,
        Field(
            max_length=316,
            pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
            r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        ),
        Doc("What the statement is about."),
    ]
    status: Annotated[Literal["True", "False", "Unknown"], Doc("Whether it holds.")]
    observed_generation: Annotated[_Generation | None, Doc("The generation of the spec that was looked at.", 3)] = None
    last_transition_time: Annotated[_Time, Doc("When the status last changed.")]
    reason: Annotated[
        str,
        Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"),
        Doc("Why, in one word for programs.", "ImagePullBackOff"),
    ]
    message: Annotated[
        str,
        MaxLen(32768),
        Doc("Why, in words for people.", "pod shop-grafana-5d8f: container grafana: ImagePullBackOff"),
    ]


class CheckResult(Model):
    """What one check found out."""

    check: Annotated[str, Field(min_length=1, max_length=60), Doc("The check.")]
    status: Annotated[
        Literal["Passed", "Failed", "Skipped", "Unknown"],
        Doc("What became of it. Skipped: it does not apply, or it is too early for it; it is not counted."),
    ]
    reason: Annotated[_Reason, Doc("Why, in one word for programs.", "MetricMissing")]
    message: Annotated[_Message, Doc("Why, in words for people, with what to do.")]
    since: Annotated[_Time, Doc("When the status last changed.")]


class Verification(Model):
    """What the checks of the running parts found out."""

    summary: Annotated[str, MaxLen(20), Doc("How many of the checks that count are passed.", "6/6")]
    checks: Annotated[
        tuple[Annotated[CheckResult, Doc("One check.", _CHECK)], ...],
        MaxLen(32),
        Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["check"]}),
        Doc("The checks, in their order.", [_CHECK]),
    ] = Field(strict=False)


class MissedTarget(Model):
    """A pod of the service that Prometheus does not scrape."""

    pod: Annotated[str, MaxLen(253), Doc("The name of the pod.")]
    reason: Annotated[_Reason, Doc("Why, in one word for programs.", "NotSelected")]
    message: Annotated[_Message, Doc("Why, in words for people: goes on after the name of the pod.")]


class Targets(Model):
    """The pods of the service as targets of Prometheus."""

    summary: Annotated[str, MaxLen(20), Doc("How many of them are up.", "2/2")]
    expected: Annotated[int, Field(ge=0), Doc("Pods that should be targets: those that are ready.", 2)]
    up: Annotated[int, Field(ge=0), Doc("Those of them that Prometheus scrapes.", 2)]
    others: Annotated[
        tuple[Annotated[MissedTarget, Doc("One of the others.", _TARGET)], ...],
        MaxLen(10),
        Doc("The others, ten at most; the message of the last says how many more there are.", [_TARGET]),
    ] = Field(strict=False)


class Status(Model):
    """What the operator saw."""

    observed_generation: Annotated[
        _ObservedGeneration | None,
        Doc("The generation of the spec that this status is about; -1 before the operator has looked at it.", 3),
    ] = None
    operator_version: Annotated[
        str | None,
        MaxLen(64),
        Doc("The version of the operator that wrote this status.", __version__),
    ] = None
    image: Annotated[
        str | None,
        MaxLen(512),
        Doc(
            "The image of the inventory service, with its version.",
            f"docker.io/inventorystack/inventory-service:{__version__}",
        ),
    ] = None
    endpoints: Annotated[
        Endpoints | None,
        Doc(
            "Where the parts answer; through the ingress where a part has a host there, else inside the cluster.",
            {"service": "http://shop-inventory.shop.svc:5000"},
        ),
    ] = None
    verification: Annotated[
        Verification | None,
        Doc("What the checks of the running parts found out.", {"summary": "6/6", "checks": [_CHECK]}),
    ] = None
    targets: Annotated[
        Targets | None,
        Doc("The pods of the service as targets of Prometheus.", {"summary": "2/2", "expected": 2, "up": 2}),
    ] = None
    conditions: Annotated[
        tuple[Annotated[Condition, Doc("One statement about the stack.", _READY)], ...] | None,
        MaxLen(32),
        Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
        Doc("The state of the stack and of each part. Ready is True when everything works.", [_READY]),
    ] = Field(None, strict=False)
