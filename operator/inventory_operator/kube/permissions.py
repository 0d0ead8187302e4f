"""What the operator must be allowed to do, asked before anything starts.

A watch that is refused would be tried again and again; this says at the start which rights are missing.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inventory_operator.api.metadata import FIELD_MANAGER
from inventory_operator.kube.kinds import (
    CHILDREN,
    EVENTS,
    LEASES,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    STACKS,
    STORAGE_CLASSES,
)

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
            # What was bound before is deleted, whether or not more may be.
            write = _WRITE if child.namespaced or settings.allow_kubelet_metrics else ("delete",)
            wanted += [Right(verb, child, scope) for verb in (*_READ, *write)]
    wanted += [Right(verb, PODS, scope) for verb in (*_READ, "patch")]
    wanted += [Right(verb, REPLICA_SETS, scope) for verb in ("list", "watch")]
    wanted += [Right("create", EVENTS, scope), Right("create", LEASES, home)]
    wanted += [Right(verb, LEASES, home, name=FIELD_MANAGER) for verb in ("get", "update")]
    if settings.clusterwide:
        wanted += [Right("get", NAMESPACES, None), Right("get", STORAGE_CLASSES, None)]
    return wanted


async def missing(cluster: Cluster, settings: Settings) -> list[str]:
    """Return the rights that are missing, in words; empty when all are there."""
    rights = needed(settings)
    answers = await asyncio.gather(*(_allowed(cluster, right) for right in rights))
    return [str(right) for right, allowed in zip(rights, answers, strict=True) if not allowed]


async def _allowed(cluster: Cluster, right: Right) -> bool:
    kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = await cluster.request("POST", path, kind | {"spec": {"resourceAttributes": right.attributes}})
    return bool(answer["status"]["allowed"])
