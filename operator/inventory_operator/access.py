"""What the operator must be allowed to do, asked before anything starts.

kopf ends the process at the first watch that is refused, with a trace; this says which rights are missing instead.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from inventory_operator.resources import CHILDREN, EVENTS, LEASES, NAMESPACES, PODS, STACKS, Resource

if TYPE_CHECKING:
    from inventory_operator.cluster import Cluster
    from inventory_operator.settings import Settings

_READ = ("get", "list", "watch")
_WRITE = ("create", "patch", "delete")


def needed(settings: Settings) -> list[tuple[str, Resource, str, str | None]]:
    """Return every (verb, resource, subresource, namespace) that the operator uses."""
    scope = settings.namespace
    wanted = [(verb, STACKS, "", scope) for verb in _READ]
    wanted += [("patch", STACKS, "status", scope)]
    for child in CHILDREN:
        if settings.clusterwide or child.namespaced:
            wanted += [(verb, child, "", scope) for verb in (*_READ, *_WRITE)]
    wanted += [(verb, PODS, "", scope) for verb in (*_READ, "patch")]
    wanted += [("create", EVENTS, "", scope)]
    wanted += [(verb, LEASES, "", settings.lease_namespace) for verb in ("get", "create", "update")]
    if settings.clusterwide:
        wanted += [("get", NAMESPACES, "", None)]
    return wanted


async def missing(cluster: Cluster, settings: Settings) -> list[str]:
    """Return the rights that are missing, as sentences; empty when all are there."""

    async def check(verb: str, resource: Resource, subresource: str, namespace: str | None) -> str | None:
        if await cluster.allowed(verb, resource, namespace, subresource):
            return None
        what = ".".join(part for part in (resource.plural, resource.group) if part)
        what += f"/{subresource}" if subresource else ""
        return f"{verb} {what} in {f'namespace {namespace}' if namespace else 'every namespace'}"

    answers = await asyncio.gather(*(check(*want) for want in needed(settings)))
    return [answer for answer in answers if answer]
