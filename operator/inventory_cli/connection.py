"""The user's connection to the API server: kubeconfig, context and namespace as kubectl has them."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from inventory_cli.failure import NO_ACCESS, Failure, explained
from inventory_operator.api import metadata as meta
from inventory_operator.kube.kinds import STACKS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from inventory_cli.raw import Raw
    from inventory_operator.kube.auth import Connection
    from inventory_operator.kube.client import Cluster

T = TypeVar("T")
Object = dict[str, Any]
#: Requests at the same time.
_CONCURRENCY = 8


@dataclass(frozen=True, slots=True)
class Access:
    """What the command line says of the cluster; None is what kubectl would take."""

    kubeconfig: str | None = None
    context: str | None = None
    _namespace: str | None = None

    @property
    def namespace(self) -> str:
        """The namespace that is asked about; Failure where the kubeconfig can't be read."""
        return self._namespace or self._of_context()

    def kubectl_options(self) -> list[str]:
        """Return the options by which kubectl reaches the same API server."""
        named = {"--kubeconfig": self.kubeconfig, "--context": self.context}
        return [f"{option}={value}" for option, value in named.items() if value]

    def _of_context(self) -> str:
        # It takes a second to import, and commands without a cluster don't need it.
        from inventory_operator.kube.auth import NoConnectionError, Source

        try:
            return Source(self.kubeconfig, self.context).namespace()
        except NoConnectionError as error:
            raise Failure(str(error), NO_ACCESS) from None

    @asynccontextmanager
    async def cluster(self) -> AsyncIterator[Cluster]:
        """Open the connection for a block; Failure where there are no usable credentials."""
        from inventory_operator.kube.client import Cluster

        cluster = Cluster(await self._connect(), _CONCURRENCY)
        try:
            yield cluster
        finally:
            await cluster.close()

    @asynccontextmanager
    async def raw(self) -> AsyncIterator[Raw]:
        """Open a connection for what is not an object of the API; Failure where there are no usable credentials."""
        from inventory_cli.raw import Raw

        connection = await self._connect()
        async with connection.session(_CONCURRENCY) as session:
            yield Raw(connection.server, session)

    async def _connect(self) -> Connection:
        # As above.
        from inventory_operator.kube.auth import NoConnectionError, Source, connect

        # What it warns of is in our sentence, too.
        logging.getLogger("kubernetes").setLevel(logging.ERROR)
        try:
            return await connect(Source(self.kubeconfig, self.context))
        except NoConnectionError as error:
            raise Failure(str(error), NO_ACCESS) from None


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do asynchronous work to its end."""
    return asyncio.run(work)


async def stack_named(cluster: Cluster, namespace: str, name: str) -> Object:
    """Return a stack; Failure where there is none."""
    with explained(f"read {meta.KIND} {namespace}/{name}"):
        found = await cluster.get(STACKS, name, namespace)
    if found is None:
        words = "look with kubectl get invstack -A; if that kind is not known, the operator is not installed"
        raise Failure(f'{meta.KIND} "{name}" not found in namespace {namespace}: {words}')
    return found


async def all_stacks(cluster: Cluster, namespace: str | None) -> list[Object]:
    """Return the stacks of a namespace, or of all where it is None, by namespace and name."""
    with explained(f"list stacks in {f'namespace {namespace}' if namespace else 'all namespaces'}"):
        found, _ = await cluster.list(STACKS, namespace)
    return sorted(found, key=lambda one: (one["metadata"]["namespace"], one["metadata"]["name"]))
