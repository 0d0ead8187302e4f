"""What several parts of a spec share: the base class of its objects, volumes, and the resources of a container."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator, with_config
from pydantic.alias_generators import to_camel
from typing_extensions import TypedDict

from inventory_operator.api.errors import raise_cross_field_errors
from inventory_operator.api.markers import CelRule, Doc, cel_keyword
from inventory_operator.api.quantities import BoundedInt, Cpu, Memory, quantity, storage_size
from inventory_operator.api.strings import ObjectName

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic_core import core_schema

Replicas = Annotated[int, BoundedInt(1, 100)]
VOLUME_SIZE = Doc("Size of the volume. It can grow where the storage class allows it; volumes never shrink.")


class Model(BaseModel):
    """What all objects of a spec have in common: frozen, strict, camelCase outside, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel)

    #: What must hold between the fields, for the API server; a validator of the model checks the same.
    CEL_RULES: ClassVar[tuple[CelRule, ...]] = ()
    #: Keywords of the schema that server-side apply needs.
    SCHEMA: ClassVar[dict[str, Any]] = {}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        found = handler.resolve_ref_schema(handler(schema))
        found |= cls.SCHEMA | cel_keyword(cls.CEL_RULES)
        # A subclass's own fields come first: of a receiver, where it sends to before what it sends.
        bases = [base for base in cls.__bases__ if issubclass(base, Model)]
        inherited = {field.alias for base in bases for field in base.model_fields.values()}
        found["properties"] = dict(sorted(found["properties"].items(), key=lambda item: item[0] in inherited))
        return found


class AtomicModel(Model):
    """An object that belongs to one owner as a whole: server-side apply replaces it and merges nothing."""

    SCHEMA: ClassVar[dict[str, Any]] = {"x-kubernetes-map-type": "atomic"}


class Storage(Model):
    """A volume; without a class the cluster's default one is used."""

    size: Annotated[str, storage_size("64Mi"), VOLUME_SIZE] = "1Gi"
    storage_class_name: Annotated[
        ObjectName | None, Doc("The storage class of the volume. Without it the cluster's default class is used.")
    ] = None


@with_config(ConfigDict(extra="forbid", strict=True))
class ResourceRequests(TypedDict):
    """What is reserved for a container."""

    cpu: Annotated[Cpu, Doc("CPU that is reserved. In cores, or in thousandths of a core (100m).")]
    memory: Annotated[Memory, Doc("Memory that is reserved. In bytes (256Mi).")]


@with_config(ConfigDict(extra="forbid", strict=True))
class ResourceLimits(TypedDict):
    """What a container can use at most."""

    cpu: Annotated[
        Cpu,
        Doc(
            "CPU that can be used at most; the container is slowed down above it. In cores, or in thousandths of a "
            "core (100m)."
        ),
    ]
    memory: Annotated[
        Memory, Doc("Memory that can be used at most; the container is ended above it. In bytes (256Mi).")
    ]


def _fits(resource: str, name: str) -> CelRule:
    """Return the rule that the request for a resource is not above its limit."""
    request, limit = f"self.requests.{resource}", f"self.limits.{resource}"
    return CelRule(
        f"!has(self.requests) || !has(self.limits) || !has({request}) || !has({limit}) || "
        f"!isQuantity(string({request})) || !isQuantity(string({limit})) || "
        f"!quantity(string({request})).isGreaterThan(quantity(string({limit})))",
        f"the request for {name} is above the limit",
        f".requests.{resource}",
    )


class Resources(Model):
    """Requests and limits of one container."""

    CEL_RULES: ClassVar[tuple[CelRule, ...]] = (_fits("cpu", "CPU"), _fits("memory", "memory"))

    requests: Annotated[
        ResourceRequests, Doc("What is reserved for each container; the scheduler finds a node that has it.")
    ]
    limits: Annotated[ResourceLimits, Doc("What each container can use at most.")]

    @model_validator(mode="after")
    def _requests_fit_limits(self) -> Self:
        pairs = [
            ("cpu", self.requests["cpu"], self.limits["cpu"]),
            ("memory", self.requests["memory"], self.limits["memory"]),
        ]
        raise_cross_field_errors(
            (f"requests.{name}", f"the request {request} is above the limit {limit}")
            for name, request, limit in pairs
            if quantity(request) > quantity(limit)
        )
        return self


RESOURCES_EXAMPLE = {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}}


def resources(requests: tuple[str, str], limits: tuple[str, str]) -> Resources:
    """Return the resources of a container; each pair is CPU and memory."""
    return Resources(
        requests={"cpu": requests[0], "memory": requests[1]}, limits={"cpu": limits[0], "memory": limits[1]}
    )


def with_defaults(defaults: Resources) -> BeforeValidator:
    """Fill in what a spec leaves out: each of the four amounts has its own default."""
    amounts = defaults.model_dump()

    def fill(given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return given | {
            name: default | given[name] if isinstance(given.get(name), dict) else given.get(name, default)
            for name, default in amounts.items()
        }

    return BeforeValidator(fill)
