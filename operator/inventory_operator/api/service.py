"""The part of a stack's spec that is about the inventory service: its pods, limits and rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from annotated_types import MaxLen
from pydantic import Field, model_validator

from inventory_operator.api.database import Database, Sqlite
from inventory_operator.api.errors import raise_cross_field_errors
from inventory_operator.api.markers import CelRule, Doc, NotStored
from inventory_operator.api.placement import Placement, placement_of
from inventory_operator.api.quantities import BoundedInt
from inventory_operator.api.references import SecretKeyRef
from inventory_operator.api.resources import (
    RESOURCES_EXAMPLE,
    AtomicModel,
    Model,
    Replicas,
    Resources,
    resources,
    with_defaults,
)
from inventory_operator.api.strings import Cidr, Image, ObjectName, RateLimit
from inventory_operator.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator


_RESOURCES = resources(requests=("100m", "128Mi"), limits=("500m", "256Mi"))


class RateLimitStore(AtomicModel):
    """Where the service's pods count requests together: a Redis, its URL in a Secret."""

    secret_key_ref: Annotated[
        SecretKeyRef,
        Doc(
            "The key of a Secret in the stack's namespace that holds the URL of the Redis, like "
            "redis://:password@host:6379/0. A change of the Secret restarts the service.",
            {"name": "shop-redis", "key": "url"},
        ),
    ]


class Authentication(AtomicModel):
    """API tokens are required; a Secret holds those that the operator hands to the service."""

    tokens_secret_name: Annotated[
        ObjectName,
        Doc(
            "A Secret in the stack's namespace with the tokens: each key is NAME.SCOPE, where the scope is read, write "
            "or admin, and its value is the token, of 20 characters or more. A change of the Secret restarts the "
            "service; a token that is gone from it is revoked then.",
            "shop-tokens",
        ),
    ]


class Metrics(AtomicModel):
    """What the service exports."""

    #: More would not pass the limits that Prometheus sets on a scrape (templates/prometheus).
    max_products: Annotated[
        int,
        BoundedInt(0, 10_000),
        Doc("Products with series of their own; a metric says how many were left out.", 1000),
    ] = 10_000


class Autoscaling(AtomicModel):
    """A HorizontalPodAutoscaler of the service, which then owns the number of pods."""

    CEL_RULES: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",
            "minReplicas is above maxReplicas",
            ".minReplicas",
        ),
    )

    min_replicas: Annotated[Replicas, Doc("Never fewer pods than this.", 2)] = 1
    max_replicas: Annotated[Replicas, Doc("Never more pods than this.", 6)]
    target_cpu_utilization_percentage: Annotated[
        int, BoundedInt(1, 100), Doc("The CPU that pods should use on average, in percent of what they request.", 70)
    ] = Field(default=80, alias="targetCPUUtilizationPercentage")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_replicas > self.max_replicas:
            problem = f"{self.min_replicas} is above maxReplicas, which is {self.max_replicas}"
            raise_cross_field_errors([("minReplicas", problem)])
        return self


_ONE_POD_ONLY = "SQLite serves one pod only: set it to 1, or use database.external or database.cloudNativePG"
_NO_SQLITE = "(has(self.database) && (has(self.database.external) || has(self.database.cloudNativePG)))"
_NO_LIMIT = "there is no rateLimit to count for: set rateLimit, or leave this out"


class Service(Model):
    """The inventory service."""

    CEL_RULES: ClassVar[tuple[CelRule, ...]] = (
        CelRule(f"!has(self.replicas) || self.replicas <= 1 || {_NO_SQLITE}", _ONE_POD_ONLY, ".replicas"),
        CelRule(
            "!has(self.autoscaling) || !has(self.autoscaling.maxReplicas) || self.autoscaling.maxReplicas <= 1 || "
            f"{_NO_SQLITE}",
            _ONE_POD_ONLY,
            ".autoscaling.maxReplicas",
        ),
        CelRule("!has(self.rateLimitStore) || has(self.rateLimit)", _NO_LIMIT, ".rateLimitStore"),
    )

    #: None is the operator's own version of the service.
    image: Annotated[
        Image | None,
        Doc(
            "Image of the inventory service. Without it: the version of the operator itself.",
            f"registry.example.com/shop/inventory-service:{__version__}",
        ),
    ] = None
    #: None is one with SQLite, else as many as there are: one at first.
    replicas: Annotated[
        Replicas | None,
        Doc(
            "Number of pods. When left out: one at first, and afterwards as many as somebody or something scales the "
            "Deployment to. Without effect while autoscaling is on. SQLite allows one only.",
            3,
        ),
    ] = None
    resources: Annotated[
        Resources,
        with_defaults(_RESOURCES),
        Doc("CPU and memory of each service pod. What is left out keeps its default.", RESOURCES_EXAMPLE),
    ] = _RESOURCES
    placement: Annotated[
        Placement, placement_of("the pods of the service, and those of its CloudNativePG cluster,"), NotStored()
    ] = Placement()
    autoscaling: Annotated[
        Autoscaling | None,
        Doc(
            "A HorizontalPodAutoscaler that sets the number of pods by their CPU. Needs the cluster's metrics API. Off "
            "when left out.",
            {"minReplicas": 2, "maxReplicas": 6},
        ),
    ] = None
    #: What is not said is settled here: a stored member of a union would contradict the next one.
    database: Annotated[
        Database,
        Doc(
            "Where the inventory is kept: at most one of sqlite, external and cloudNativePG. When left out: SQLite on "
            "a volume of 1Gi. Changing the kind never deletes the old volume or cluster, and moves no data.",
            {"external": {"secretKeyRef": {"name": "shop-database"}}},
        ),
        NotStored(),
    ] = Database(sqlite=Sqlite())
    low_stock_threshold: Annotated[
        int, BoundedInt(0, 1_000_000), Doc("A product with this stock or less counts as low on stock.", 5)
    ] = 10
    low_stock_hysteresis: Annotated[
        int,
        BoundedInt(0, 1_000_000),
        Doc(
            "After an alert for a low stock, the stock must rise this many units above the product's threshold before "
            "the next alert. 0: any rise above the threshold is enough.",
            5,
        ),
    ] = 0
    load_sample_data: Annotated[
        bool, Doc("Fill an empty inventory with sample products when the service starts.", example=True)
    ] = False
    require_if_match: Annotated[
        bool,
        Doc(
            "Refuse a change of a product that names no version (the header If-Match): nobody overwrites what they "
            "have not seen. Clients that know no versions can't change products then.",
            example=True,
        ),
    ] = False
    #: None is no limit.
    rate_limit: Annotated[
        RateLimit | None,
        Doc(
            "Requests that one client may make, like 100/minute (second, minute or hour). Each pod counts by itself "
            "unless rateLimitStore is set. Off when left out.",
            "100/minute",
        ),
    ] = None
    rate_limit_store: Annotated[
        RateLimitStore | None,
        Doc(
            "A Redis in which all pods count together. Needs rateLimit. Without it each pod counts by itself: with "
            "three pods a client may get three times the limit.",
            {"secretKeyRef": {"name": "shop-redis"}},
        ),
    ] = None
    trusted_proxies: Annotated[
        tuple[Cidr, ...],
        MaxLen(32),
        Doc(
            "Networks of the proxies in front of the service, such as the pods of the ingress controller. From these "
            "alone X-Forwarded-For counts: it is read from the right up to the first address of no such network, which "
            "is the client in rate limits and logs. Without any: the last address in it is, at port 5001 only, "
            "whoever sent it.",
            ["10.42.0.0/16", "2001:db8:42::/48"],
        ),
    ] = Field((), strict=False)
    #: None lets everybody in.
    authentication: Annotated[
        Authentication | None,
        Doc(
            "Require an API token for every request of the API and the web pages. Health checks and /metrics need "
            "none. Off when left out.",
            {"tokensSecretName": "shop-tokens"},
        ),
    ] = None
    metrics: Annotated[Metrics | None, Doc("What the service exports at /metrics.", {"maxProducts": 1000})] = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        raise_cross_field_errors([*self._too_many_for_sqlite(), *self._nothing_to_store()])
        return self

    def _nothing_to_store(self) -> Iterator[tuple[str, str]]:
        if self.rate_limit_store and not self.rate_limit:
            yield "rateLimitStore", _NO_LIMIT

    def _too_many_for_sqlite(self) -> Iterator[tuple[str, str]]:
        if self.database.sqlite and (self.replicas or 1) > 1:
            yield "replicas", _ONE_POD_ONLY
        if self.database.sqlite and self.autoscaling and self.autoscaling.max_replicas > 1:
            yield "autoscaling.maxReplicas", _ONE_POD_ONLY
