"""What a stack waits for whose database CloudNativePG runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inventory_operator.components.blocker import MISSED_BY_WATCH_SECONDS, Blocker, ObjectId, Turn
from inventory_operator.kube.kinds import CLUSTERS

if TYPE_CHECKING:
    from inventory_operator.api.metadata import Names


def blockers(names: Names, missing: str | None, *, served: bool) -> list[Blocker]:
    """Return what holds the Cluster and the service's pods back; what runs of them keeps running.

    `missing` says what the Secret of the database lacks, in words, None when it is complete.
    """
    cluster, pods = (CLUSTERS.kind, names.database), ("Deployment", names.service)
    if not served:
        message = (
            "spec.service.database.cloudNativePG: the cluster has no postgresql.cnpg.io/v1 Cluster: install "
            "CloudNativePG (https://cloudnative-pg.io), or use database.external"
        )
        targets: tuple[ObjectId, ...] = (cluster, pods)
        reason, turn = "CloudNativePGMissing", Turn.USER
    elif missing:
        message = f"{CLUSTERS.kind} {names.database}: waiting for CloudNativePG: {missing}"
        targets = (pods,)
        reason, turn = "WaitingForDatabase", Turn.WAITING
    else:
        return []
    return [Blocker(target, "database", reason, message, turn, MISSED_BY_WATCH_SECONDS) for target in targets]
