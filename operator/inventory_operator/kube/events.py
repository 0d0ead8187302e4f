"""Events of stacks: what `kubectl describe` shows of a transition.

An Event is a courtesy: the status has said it already, so a failure to post one changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from inventory_operator.api import metadata as meta
from inventory_operator.kube.client import TRANSIENT, ApiError, Cluster
from inventory_operator.kube.kinds import EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

log = structlog.get_logger(__name__)
_LONGEST = 1024


async def post(cluster: Cluster, identity: str, raw: Mapping[str, Any], condition: Mapping[str, str], now: str) -> None:
    """Post the Event of one transition of a stack; `now` is RFC 3339, `identity` names this process."""
    good = "False" if condition["type"] in {"Stalled", "Reconciling"} else "True"
    metadata = raw["metadata"]
    event = {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.kind,
        "metadata": {"generateName": f"{metadata['name']}-", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": meta.API_VERSION,
            "kind": meta.KIND,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "type": "Normal" if condition["status"] == good or condition["type"] == "Reconciling" else "Warning",
        "reason": condition["reason"],
        "message": f"{condition['type']} is {condition['status']}: {condition['message']}"[:_LONGEST],
        "source": {"component": meta.FIELD_MANAGER},
        "reportingComponent": meta.FIELD_MANAGER,
        "reportingInstance": identity,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
    try:
        await cluster.request("POST", EVENTS.path(metadata["namespace"]), event)
    except (ApiError, *TRANSIENT) as error:
        log.warning("the Event was not posted", error=str(error))
