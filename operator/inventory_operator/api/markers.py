"""What the CRD says about a field that its Python type can't say; it stands beside the field, in `Annotated`.

Markers only add to the JSON schema of a type. They check no value; hack/crd.py makes the CRD from what they add.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic_core import core_schema

#: In the JSON schema of a field: its default must not become a default of the CRD.
NOT_STORED = "x-not-stored"


class Marker(ABC):
    """Adds its `keywords` to the JSON schema of the annotated type."""

    @abstractmethod
    def keywords(self) -> dict[str, Any]:
        """Return the keywords of the schema with their values."""

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(schema) | self.keywords()


@dataclass(frozen=True, slots=True)
class Doc(Marker):
    """The description of a field and an example; without one, the field's part of the example of its parent."""

    description: str
    example: Any = None

    def keywords(self) -> dict[str, Any]:
        """Return the two keywords, or only the first."""
        example = {} if self.example is None else {"example": self.example}
        return {"description": self.description, **example}


class NotStored(Marker):
    """The operator fills in the default, and the API server does not store it with the object."""

    def keywords(self) -> dict[str, Any]:
        """Return the mark that hack/crd.py looks for."""
        return {NOT_STORED: True}


@dataclass(frozen=True, slots=True)
class CelRule:
    """A rule in CEL, the sentence that is shown when it does not hold, and the field below that it is about."""

    rule: str
    message: str
    field_path: str = ""

    def as_schema(self) -> dict[str, str]:
        """Return the entry of `x-kubernetes-validations`."""
        path = {"fieldPath": self.field_path} if self.field_path else {}
        return {"rule": self.rule, "message": self.message, **path}


class CelRules(Marker):
    """The rules of a field that is no object of fields, such as a map or a list; models have `CEL_RULES`."""

    def __init__(self, *rules: CelRule) -> None:
        self.rules = rules

    def keywords(self) -> dict[str, Any]:
        """Return all rules as one keyword."""
        return cel_keyword(self.rules)


def cel_keyword(rules: tuple[CelRule, ...]) -> dict[str, Any]:
    """Return the keyword of the schema for these rules; nothing for none."""
    return {"x-kubernetes-validations": [rule.as_schema() for rule in rules]} if rules else {}
