"""The inventory service as a component: its Secrets, and the database that its pods need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inventory_operator.components import cloudnativepg
from inventory_operator.components.component import Component, Dependency
from inventory_operator.components.references import Reference
from inventory_operator.kube.kinds import CLUSTERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inventory_operator.api.metadata import Names
    from inventory_operator.api.stack import Spec
    from inventory_operator.components.blocker import Blocker
    from inventory_operator.components.component import Circumstances

NAME = "service"
#: A file of TOKENS_DIR (service/inventory_service): the scope of a token is the end of its name.
TOKEN_KEY = (r"[A-Za-z0-9][-._A-Za-z0-9]{0,99}\.(read|write|admin)", "NAME.SCOPE with the scope read, write or admin")


def _references(spec: Spec, names: Names) -> Iterator[Reference]:
    service = spec.service
    if external := service.database.external:
        ref = external.secret_key_ref
        yield Reference(NAME, ref.name, (ref.key,), "spec.service.database.external.secretKeyRef")
    if service.database.cloud_native_pg:
        path = "spec.service.database.cloudNativePG"
        yield Reference(NAME, names.database_secret, ("uri",), path, created_by_stack=True)
    if service.rate_limit_store:
        ref = service.rate_limit_store.secret_key_ref
        yield Reference(NAME, ref.name, (ref.key,), "spec.service.rateLimitStore.secretKeyRef")
    if service.authentication:
        path = "spec.service.authentication.tokensSecretName"
        yield Reference(NAME, service.authentication.tokens_secret_name, (), path, shape=TOKEN_KEY)


def _blockers(spec: Spec, names: Names, found: Circumstances) -> list[Blocker]:
    if not spec.service.database.cloud_native_pg:
        return []
    lacking = next((reason for reference, reason in found.missing.items() if reference.created_by_stack), None)
    return cloudnativepg.blockers(names, lacking, served=CLUSTERS.kind in found.served)


def _database(spec: Spec | None) -> str:
    if spec and spec.service.database.cloud_native_pg:
        return "CloudNativePG"
    return "external PostgreSQL" if spec and spec.service.database.external else "SQLite"


SERVICE = Component(
    name=NAME,
    condition="ServiceAvailable",
    section="spec.service",
    storage="spec.service.database.sqlite.storage",
    port=5000,
    host=lambda hosts: hosts.service,
    references=_references,
    blockers=_blockers,
    # /readyz answers 200 only when the database does.
    dependency=Dependency("database", "DatabaseAvailable", _database, frozenset({CLUSTERS.kind})),
)
