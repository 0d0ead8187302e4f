"""The part of a stack's spec that says what the service is to keep to."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import model_validator

from inventory_operator.api.errors import raise_cross_field_errors
from inventory_operator.api.markers import CelRule, Doc
from inventory_operator.api.resources import Model
from inventory_operator.api.strings import Objective

#: The window of an error budget, in seconds: 7 days, of which the retention of 200 h keeps all.
SLO_WINDOW_SECONDS = 7 * 86_400

#: The buckets of http_request_duration_seconds, which are the only places where it can be counted
#: (service/inventory_service/telemetry/request_metrics.py).
Threshold = Literal[
    "5ms", "10ms", "25ms", "50ms", "100ms", "200ms", "300ms", "500ms", "1s", "2500ms", "5s", "10s"
]  # fmt: skip


class Latency(Model):
    """How many of 100 requests are to be answered within the threshold."""

    threshold: Annotated[
        Threshold,
        Doc(
            "The time that a request may take. Only at the buckets of the service's histogram can requests be counted.",
            "300ms",
        ),
    ]
    objective: Annotated[
        Objective,
        Doc("Percentage of requests, in quotes, that are answered within the threshold, from 93 to 99.999.", "99"),
    ]


class Slo(Model):
    """What the service is to keep to over seven days."""

    CEL_RULES: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.availability) || has(self.latency)", "expected at least one of availability and latency"),
    )

    availability: Annotated[
        Objective | None,
        Doc(
            "Percentage of requests, in quotes, that do not fail with a 5xx status, from 93 to 99.999. Below 93 no "
            "alert could fire.",
            "99.9",
        ),
    ] = None
    latency: Annotated[
        Latency | None,
        Doc("How many of 100 requests are answered within the threshold.", {"threshold": "300ms", "objective": "99"}),
    ] = None

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if not (self.availability or self.latency):
            raise_cross_field_errors([("", "expected at least one of availability and latency")])
        return self
