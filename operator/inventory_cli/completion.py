"""What a shell may complete the name of a stack to: asks the API server, and says nothing where that is too slow."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

from inventory_cli.connection import Access, all_stacks
from inventory_cli.failure import Failure

if TYPE_CHECKING:
    import click

#: A person waits for it at the prompt.
_SECONDS = 2.0
_MOST = 200


def stack_names(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the stacks of the namespace that the line so far names."""
    given = context.params
    access = Access(given.get("kubeconfig"), given.get("context"), given.get("namespace"))
    try:
        names = asyncio.run(_names(access))
    except (Failure, TimeoutError):
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)][:_MOST]


async def _names(access: Access) -> list[str]:
    async with asyncio.timeout(_SECONDS), access.cluster() as cluster:
        return [one["metadata"]["name"] for one in await all_stacks(cluster, access.namespace)]
