"""How much a part gets: CPU and memory of a container, pods, volumes; what a person left out is filled in.

Pure: it never knows which part it is about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator, with_config
from pydantic.alias_generators import to_camel
from typing_extensions import TypedDict

from inventory_operator.api.errors import contradict
from inventory_operator.api.quantities import Cpu, Memory, Whole, quantity, storage_size
from inventory_operator.api.strings import ObjectName

if TYPE_CHECKING:
    from collections.abc import Callable

Replicas = Annotated[int, Whole(1, 100)]
Size = Annotated[str, storage_size("64Mi")]


class Model(BaseModel):
    """What all objects of a spec have in common: frozen, strict, camelCase outside, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel)


class Storage(Model):
    """A volume; without a class the cluster's default one is used."""

    size: Size = "1Gi"
    storage_class_name: ObjectName | None = None


@with_config(ConfigDict(extra="forbid", strict=True))
class Amounts(TypedDict):
    """CPU and memory, as a container's requests or limits have them."""

    cpu: Cpu
    memory: Memory


class Resources(Model):
    """Requests and limits of one container."""

    requests: Amounts
    limits: Amounts

    @model_validator(mode="after")
    def _requests_fit_limits(self) -> Self:
        pairs = [
            ("cpu", self.requests["cpu"], self.limits["cpu"]),
            ("memory", self.requests["memory"], self.limits["memory"]),
        ]
        contradict(
            (f"requests.{name}", f"the request {request} is above the limit {limit}")
            for name, request, limit in pairs
            if quantity(request) > quantity(limit)
        )
        return self


def amounts(cpu: str, memory: str) -> Amounts:
    """Return the two amounts by their names."""
    return {"cpu": cpu, "memory": memory}


def filled(requests: Amounts, limits: Amounts) -> BeforeValidator:
    """Fill in what a person left out: each of the four amounts has its own default."""

    def fill(given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return given | {
            name: default | given[name] if isinstance(given.get(name), dict) else given.get(name, default)
            for name, default in (("requests", requests), ("limits", limits))
        }

    return BeforeValidator(fill)


def default(requests: Amounts, limits: Amounts) -> Callable[[], Resources]:
    """Return the factory of the resources of a container about which nothing was said."""
    return lambda: Resources(requests=requests, limits=limits)
