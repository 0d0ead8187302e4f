"""Has the configuration that holds words of a user judged by the program that will read it, before it is written.

It changes nothing: what is refused stays as it is in the cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inventory_operator.api.metadata import COMPONENT_LABEL
from inventory_operator.components.config_tools import CheckerMissingError
from inventory_operator.components.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from inventory_operator.api.stack import Spec
    from inventory_operator.components.config_tools import Checks

#: What a person has to change comes as an event; a program that is missing is looked for again.
LOOK_AGAIN_SECONDS = 300.0


async def vetoes(checks: Checks, spec: Spec, desired: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], Failure]:
    """Return a failure for each object that must not be written, by its kind and name.

    A configuration without a word of a user is the same for all stacks, and tests have judged it.
    """
    maps = {obj["metadata"]["labels"][COMPONENT_LABEL]: obj for obj in desired if obj["kind"] == "ConfigMap"}
    found: dict[tuple[str, str], Failure] = {}
    for component, file in _worded(spec):
        name = maps[component]["metadata"]["name"]
        text = maps[component]["data"][file]
        try:
            complaint = await (checks.prometheus(text) if component == "prometheus" else checks.alertmanager(text))
            permanent = True
        except CheckerMissingError as error:
            complaint, permanent = f"can't be checked: {error}", False
        if complaint:
            message = f"{file}: {complaint}; the last good one stays in use"
            child = f"ConfigMap {name}"
            found["ConfigMap", name] = Failure(
                component, child, "InvalidConfiguration", message, permanent, LOOK_AGAIN_SECONDS
            )
    return found


def _worded(spec: Spec) -> Iterator[tuple[str, str]]:
    alerting = spec.alerting
    if alerting.enabled and (alerting.receivers.configured() or alerting.heartbeat or alerting.mute_times):
        yield "alertmanager", "alertmanager.yml"
    if spec.prometheus.remote_write:
        yield "prometheus", "prometheus.yml"
