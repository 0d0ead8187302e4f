"""The part of a stack's spec that says where the inventory is kept."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from inventory_operator.api.errors import raise_cross_field_errors
from inventory_operator.api.markers import CelRule, Doc
from inventory_operator.api.quantities import BoundedInt
from inventory_operator.api.references import SecretKeyRef
from inventory_operator.api.resources import AtomicModel, Model, Storage


class Sqlite(AtomicModel):
    """A database file on a volume of the one service pod."""

    storage: Annotated[Storage, Doc("The volume of the SQLite file.", {"size": "5Gi", "storageClassName": "fast"})] = (
        Storage()
    )


class External(AtomicModel):
    """A PostgreSQL database that somebody else runs; its URL is in a Secret."""

    secret_key_ref: Annotated[
        SecretKeyRef,
        Doc(
            "The key of a Secret in the stack's namespace that holds the database's URL, like "
            "postgresql://user:password@host:5432/name. A change of the Secret restarts the service.",
            {"name": "shop-database", "key": "url"},
        ),
    ]


class CloudNativePG(AtomicModel):
    """A PostgreSQL cluster that CloudNativePG's operator runs for this stack."""

    instances: Annotated[
        int, BoundedInt(1, 20), Doc("PostgreSQL servers: one that writes, the others stand by to take over.", 3)
    ] = 1
    storage: Annotated[
        Storage, Doc("The volume of each PostgreSQL server.", {"size": "10Gi", "storageClassName": "fast"})
    ] = Storage()


class Database(Model):
    """Where the inventory is kept: exactly one of its members is set; SQLite by default."""

    CEL_RULES: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!(has(self.sqlite) && has(self.external)) && !(has(self.sqlite) && has(self.cloudNativePG)) && "
            "!(has(self.external) && has(self.cloudNativePG))",
            "choose at most one of sqlite, external and cloudNativePG",
        ),
    )

    sqlite: Annotated[
        Sqlite | None,
        Doc("A SQLite file on a volume of its own. One service pod only.", {"storage": {"size": "5Gi"}}),
    ] = None
    external: Annotated[
        External | None,
        Doc(
            "A PostgreSQL database that you run. Needed for more than one service pod.",
            {"secretKeyRef": {"name": "shop-database"}},
        ),
    ] = None
    cloud_native_pg: Annotated[
        CloudNativePG | None,
        Doc(
            "EXPERIMENTAL: a PostgreSQL cluster that CloudNativePG runs for this stack, called <stack>-database. "
            "CloudNativePG (https://cloudnative-pg.io) must be installed. With deletionPolicy Retain the cluster "
            "outlives the stack.",
            {"instances": 3, "storage": {"size": "10Gi"}},
        ),
    ] = Field(default=None, alias="cloudNativePG")

    @model_validator(mode="before")
    @classmethod
    def _sqlite_by_default(cls, given: Any) -> Any:
        kinds = [field.alias or name for name, field in cls.model_fields.items()]
        if isinstance(given, dict) and all(given.get(kind) is None for kind in kinds):
            return given | {"sqlite": {}}
        return given

    @model_validator(mode="after")
    def _at_most_one(self) -> Self:
        if len([kind for kind in (self.sqlite, self.external, self.cloud_native_pg) if kind]) > 1:
            raise_cross_field_errors([("", "choose at most one of sqlite, external and cloudNativePG")])
        return self
