"""Has the configuration that holds words of a user judged by the program that will read it, before it is written.

It changes nothing: what is refused stays as it is in the cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inventory_operator.api.metadata import COMPONENT_LABEL
from inventory_operator.components.blocker import Blocker, Turn
from inventory_operator.components.config_tools import CheckerMissingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from inventory_operator.api.stack import Spec
    from inventory_operator.components.config_tools import ConfigChecker

#: What a person has to change comes as an event; a program that is missing is looked for again.
LOOK_AGAIN_SECONDS = 300.0


async def validate_rendered_config(
    checker: ConfigChecker, spec: Spec, desired: Iterable[Mapping[str, Any]]
) -> list[Blocker]:
    """Return a Blocker for each ConfigMap that must not be written.

    A configuration without a word of a user is the same for all stacks, and tests have judged it.
    """
    maps = {obj["metadata"]["labels"][COMPONENT_LABEL]: obj for obj in desired if obj["kind"] == "ConfigMap"}
    found: list[Blocker] = []
    for component, file in _with_user_text(spec):
        name = maps[component]["metadata"]["name"]
        text = maps[component]["data"][file]
        try:
            problem = await (checker.prometheus(text) if component == "prometheus" else checker.alertmanager(text))
            turn = Turn.USER
        except CheckerMissingError as error:
            problem, turn = f"can't be checked: {error}", Turn.CLUSTER
        if problem:
            message = f"{file}: {problem}; the last good one stays in use"
            target = ("ConfigMap", name)
            found.append(Blocker(target, component, "InvalidConfiguration", message, turn, LOOK_AGAIN_SECONDS))
    return found


def _with_user_text(spec: Spec) -> Iterator[tuple[str, str]]:
    alerting = spec.alerting
    if alerting.enabled and (alerting.receivers.configured() or alerting.heartbeat or alerting.mute_times):
        yield "alertmanager", "alertmanager.yml"
    if spec.prometheus.remote_write:
        yield "prometheus", "prometheus.yml"
