"""The part of a stack's spec that is about the inventory service: its database, its pods, its rules.

Pure: it checks and fills in, and never asks the API server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, model_validator

from inventory_operator.api.errors import contradict
from inventory_operator.api.quantities import Whole
from inventory_operator.api.resources import Model, Replicas, Resources, Storage, amounts, default, filled
from inventory_operator.api.strings import Image, ObjectName, RateLimit, SecretKey

if TYPE_CHECKING:
    from collections.abc import Iterator

_SERVICE = (amounts("100m", "128Mi"), amounts("500m", "256Mi"))


class SecretKeyRef(Model):
    """One key of a Secret in the stack's namespace."""

    name: ObjectName
    key: SecretKey = "url"


class Sqlite(Model):
    """A database file on a volume of the one service pod."""

    storage: Storage = Field(default_factory=Storage)


class External(Model):
    """A PostgreSQL database that somebody else runs; its URL is in a Secret."""

    secret_key_ref: SecretKeyRef


class CloudNativePG(Model):
    """A PostgreSQL cluster that CloudNativePG's operator runs for this stack."""

    instances: Annotated[int, Whole(1, 20)] = 1
    storage: Storage = Field(default_factory=Storage)


class Database(Model):
    """Where the inventory is kept: exactly one of its members is set; SQLite when nothing was said."""

    sqlite: Sqlite | None = None
    external: External | None = None
    cloud_native_pg: CloudNativePG | None = Field(default=None, alias="cloudNativePG")

    @model_validator(mode="before")
    @classmethod
    def _sqlite_unless_told(cls, given: Any) -> Any:
        kinds = [field.alias or name for name, field in cls.model_fields.items()]
        if isinstance(given, dict) and all(given.get(kind) is None for kind in kinds):
            return given | {"sqlite": {}}
        return given

    @model_validator(mode="after")
    def _at_most_one(self) -> Self:
        if len([kind for kind in (self.sqlite, self.external, self.cloud_native_pg) if kind]) > 1:
            contradict([("", "choose at most one of sqlite, external and cloudNativePG")])
        return self


class RateLimitStore(Model):
    """Where the service's pods count requests together: a Redis, its URL in a Secret."""

    secret_key_ref: SecretKeyRef


class Authentication(Model):
    """API tokens are required; a Secret holds those that the operator hands to the service."""

    tokens_secret_name: ObjectName


class Metrics(Model):
    """What the service exports."""

    #: More would not pass the limits that Prometheus sets on a scrape (templates/prometheus).
    max_products: Annotated[int, Whole(0, 10_000)] = 10_000


class Autoscaling(Model):
    """A HorizontalPodAutoscaler of the service; `replicas` is then its business."""

    min_replicas: Replicas = 1
    max_replicas: Replicas
    target_cpu_utilization_percentage: Annotated[int, Whole(1, 100)] = Field(
        default=80, alias="targetCPUUtilizationPercentage"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_replicas > self.max_replicas:
            contradict([("minReplicas", f"{self.min_replicas} is above maxReplicas, which is {self.max_replicas}")])
        return self


class Service(Model):
    """The inventory service."""

    #: None is the operator's own version of the service.
    image: Image | None = None
    replicas: Replicas = 1
    resources: Annotated[Resources, filled(*_SERVICE)] = Field(default_factory=default(*_SERVICE))
    autoscaling: Autoscaling | None = None
    database: Database = Field(default_factory=lambda: Database(sqlite=Sqlite()))
    low_stock_threshold: Annotated[int, Whole(0, 1_000_000)] = 10
    low_stock_hysteresis: Annotated[int, Whole(0, 1_000_000)] = 0
    load_sample_data: bool = False
    require_if_match: bool = False
    #: None is no limit.
    rate_limit: RateLimit | None = None
    rate_limit_store: RateLimitStore | None = None
    #: None lets everybody in.
    authentication: Authentication | None = None
    metrics: Metrics | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        contradict([*self._too_many_for_sqlite(), *self._nothing_to_store()])
        return self

    def _nothing_to_store(self) -> Iterator[tuple[str, str]]:
        if self.rate_limit_store and not self.rate_limit:
            yield "rateLimitStore", "there is no rateLimit to count for: set rateLimit, or leave this out"

    def _too_many_for_sqlite(self) -> Iterator[tuple[str, str]]:
        reason = "SQLite serves one pod only: set it to 1, or use database.external or database.cloudNativePG"
        if self.database.sqlite and self.replicas > 1:
            yield "replicas", reason
        if self.database.sqlite and self.autoscaling and self.autoscaling.max_replicas > 1:
            yield "autoscaling.maxReplicas", reason
