"""What there is of a stack in the cluster, as far as the user may see it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inventory_cli.failure import FORBIDDEN, explained
from inventory_operator.api.metadata import STACK_LABEL
from inventory_operator.kube.client import ApiError
from inventory_operator.kube.kinds import CHILDREN, SECRETS

if TYPE_CHECKING:
    from inventory_operator.kube.client import Cluster
    from inventory_operator.kube.kinds import Resource

Object = dict[str, Any]
ObjectId = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Live:
    """The objects with the label of a stack, by kind and name, and the kinds that could not be listed."""

    objects: dict[ObjectId, Object]
    #: Kinds that the user may not list; of Secrets nothing is asked, for their lists have their values.
    hidden: frozenset[str]


async def children(cluster: Cluster, namespace: str, name: str) -> Live:
    """Return the children of a stack."""
    kinds = [kind for kind in CHILDREN if kind.namespaced and kind is not SECRETS]
    with explained(f"list the objects of stack {namespace}/{name}"):
        found = await asyncio.gather(*(_list(cluster, kind, namespace, name) for kind in kinds))
    objects = {(one["kind"], one["metadata"]["name"]): one for listed in found for one in listed or ()}
    shut = {kind.kind for kind, listed in zip(kinds, found, strict=True) if listed is None}
    return Live(objects, frozenset({SECRETS.kind, "ClusterRoleBinding", *shut}))


async def _list(cluster: Cluster, kind: Resource, namespace: str, name: str) -> list[Object] | None:
    """Return the objects of a kind; None where the user may not list them."""
    try:
        listed, _ = await cluster.list(kind, namespace, labelSelector=f"{STACK_LABEL}={name}")
    except ApiError as error:
        if error.code == FORBIDDEN:
            return None
        if error.not_found and kind.optional:
            return []
        raise
    return listed
