"""What checks read of the API server beside what the operator follows: bounded, and counted as their namespace's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inventory_operator.kube.client import TRANSIENT, ApiError
from inventory_operator.kube.kinds import CONFIG_MAPS, NETWORK_POLICIES

if TYPE_CHECKING:
    from inventory_operator.components.shares import Shares
    from inventory_operator.kube.client import Cluster

Object = dict[str, Any]
#: Bytes that a ConfigMap has at most.
_LARGEST_CONFIG_MAP = 1_048_576
#: Of a namespace, that are looked at.
_POLICIES = 50


@dataclass(frozen=True, slots=True)
class ClusterReads:
    """The reads for the stacks of one namespace."""

    cluster: Cluster
    namespace: str
    #: Where the bytes are counted, if they are.
    shares: Shares | None = None

    async def config_map(self, name: str) -> Object | None:
        """Return a ConfigMap, whole; None where there is none, or it can't be read."""
        if self.shares:
            self.shares.charge(self.namespace, _LARGEST_CONFIG_MAP)
        try:
            return await self.cluster.get(CONFIG_MAPS, name, self.namespace)
        except (ApiError, *TRANSIENT):
            return None

    async def policies(self) -> list[Object]:
        """Return the first network policies; none where they can't be read."""
        try:
            path = NETWORK_POLICIES.path(self.namespace)
            answer = await self.cluster.request("GET", path, limit=str(_POLICIES))
        except (ApiError, *TRANSIENT):
            return []
        return answer.get("items") or []
