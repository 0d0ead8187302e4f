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
    last_transition_time: Annotated[
        str, Field(json_schema_extra={"format": "date-time"}), Doc("When the status last changed.")
    ]
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


class Status(Model):
    """What the operator saw."""

    observed_generation: Annotated[
        _ObservedGeneration | None,
        Doc("The generation of the spec that this status is about; -1 before the operator has looked at it.", 3),
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
    conditions: Annotated[
        tuple[Annotated[Condition, Doc("One statement about the stack.", _READY)], ...] | None,
        MaxLen(32),
        Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
        Doc("The state of the stack and of each part. Ready is True when everything works.", [_READY]),
    ] = Field(None, strict=False)
