"""What the operator must be allowed to do, asked before anything starts.

kopf ends the process at the first watch that is refused, with a trace; this says which rights are missing instead.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inventory_operator.api.metadata import FIELD_MANAGER
from inventory_operator.kube.kinds import CHILDREN, EVENTS, LEASES, NAMESPACES, PODS, STACKS

if TYPE_CHECKING:
    from inventory_operator.kube.client import Cluster
    from inventory_operator.kube.kinds import Resource
    from inventory_operator.settings import Settings

_READ = ("get", "list", "watch")
_WRITE = ("create", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Right:
    """One thing to be allowed: a verb on a kind, maybe on one object or subresource of it only."""

    verb: str
    resource: Resource
    namespace: str | None
    subresource: str = ""
    name: str = ""

    def __str__(self) -> str:
        what = ".".join(part for part in (self.resource.plural, self.resource.group) if part)
        what += f"/{self.subresource}" if self.subresource else ""
        where = f"namespace {self.namespace}" if self.namespace else "every namespace"
        return f"{self.verb} {what} in {where}"

    @property
    def attributes(self) -> dict[str, str]:
        """The resourceAttributes of a SelfSubjectAccessReview; empty ones mean all."""
        asked = {"verb": self.verb, "group": self.resource.group, "resource": self.resource.plural}
        asked |= {"subresource": self.subresource, "name": self.name}
        return asked | ({"namespace": self.namespace} if self.namespace else {})


def needed(settings: Settings) -> list[Right]:
    """Return every right that the operator uses."""
    scope, home = settings.namespace, settings.lease_namespace
    wanted = [Right(verb, STACKS, scope) for verb in _READ]
    wanted += [Right("patch", STACKS, scope, "status")]
    for child in CHILDREN:
        if settings.clusterwide or child.namespaced:
            wanted += [Right(verb, child, scope) for verb in (*_READ, *_WRITE)]
    wanted += [Right(verb, PODS, scope) for verb in (*_READ, "patch")]
    wanted += [Right("create", EVENTS, scope), Right("create", LEASES, home)]
    wanted += [Right(verb, LEASES, home, name=FIELD_MANAGER) for verb in ("get", "update")]
    if settings.clusterwide:
        wanted += [Right("get", NAMESPACES, None)]
    return wanted


async def missing(cluster: Cluster, settings: Settings) -> list[str]:
    """Return the rights that are missing, in words; empty when all are there."""
    rights = needed(settings)
    answers = await asyncio.gather(*(cluster.allowed(right.attributes) for right in rights))
    return [str(right) for right, allowed in zip(rights, answers, strict=True) if not allowed]
