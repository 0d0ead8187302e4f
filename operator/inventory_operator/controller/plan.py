"""The second step of a pass: from what was observed to the desired objects, and what must not be written of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from inventory_operator.api.metadata import COMPONENT_LABEL
from inventory_operator.components import enabled
from inventory_operator.components.blocker import MISSED_BY_WATCH_SECONDS, Blocker, Turn
from inventory_operator.components.limited_process import ProgramMissingError
from inventory_operator.controller.generated_secrets import is_generated, missing_key, own_values, with_values
from inventory_operator.manifests.render import render, secrets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inventory_operator.cache.store import Store
    from inventory_operator.components.config_tools import ConfigChecker
    from inventory_operator.controller.inputs import InputCollector
    from inventory_operator.controller.scope import Object, Scope


@dataclass(slots=True)
class Planner:
    """Everything that a plan is made with."""

    store: Store
    collector: InputCollector
    checker: ConfigChecker

    async def __call__(self, scope: Scope) -> Scope:
        """Return the pass with its desired objects; where the spec can't be followed or is paused, there are none."""
        spec = scope.spec
        if not spec or spec.paused:
            return scope
        manifests = secrets(scope.stack, spec)
        made = [self._with_data(scope, manifest) for manifest in manifests]
        scope = replace(scope, generated={one["metadata"]["name"]: one["data"] for one in made})
        inputs, blockers = await self.collector.collect(scope, made)
        blockers += [broken for pair in zip(manifests, made, strict=True) if (broken := _invalid(*pair))]
        desired = [one for one in render(scope.stack, spec, inputs) if not is_generated(one)]
        blockers += await self._refused_configuration(scope, desired)
        return replace(scope, desired=(*made, *desired), blockers=(*scope.blockers, *blockers))

    def _with_data(self, scope: Scope, manifest: Object) -> Object:
        """Return a generated Secret with the data that it has in the cluster, or will be created with."""
        live = self.store.of(scope.key).get(("Secret", manifest["metadata"]["name"]))
        return manifest | {"data": own_values(manifest, live.obj.get("data", {}))} if live else with_values(manifest)

    async def _refused_configuration(self, scope: Scope, desired: Iterable[Object]) -> list[Blocker]:
        """Return a Blocker for each ConfigMap that the program which reads it refuses.

        A configuration without a word of a user is the same for all stacks, and tests have judged it.
        """
        assert scope.spec
        maps = {obj["metadata"]["labels"][COMPONENT_LABEL]: obj for obj in desired if obj["kind"] == "ConfigMap"}
        found: list[Blocker] = []
        for component in enabled(scope.spec):
            for check in component.config_checks(scope.spec):
                config_map = maps[component.name]
                try:
                    text = config_map["data"][check.file]
                    problem = await self.checker.check(scope.stack.namespace, check.tool, text)
                    turn = Turn.USER
                except ProgramMissingError as error:
                    problem, turn = f"can't be checked: {error}", Turn.CLUSTER
                if problem:
                    message = f"{check.file}: {problem}; the last good one stays in use"
                    target = ("ConfigMap", config_map["metadata"]["name"])
                    reason = "InvalidConfiguration"
                    found.append(Blocker(target, component.name, reason, message, turn, MISSED_BY_WATCH_SECONDS))
        return found


def _invalid(manifest: Object, live: Object) -> Blocker | None:
    """Return what holds back what uses a generated Secret, if a person took a key out of it."""
    key = missing_key(manifest, live["data"])
    if key is None:
        return None
    name, component = manifest["metadata"]["name"], manifest["metadata"]["labels"][COMPONENT_LABEL]
    message = f"Secret {name} has no value under key {key}: put it back, or delete the Secret, and it is created anew"
    return Blocker(("Secret", name), component, "InvalidSecret", message, Turn.USER, MISSED_BY_WATCH_SECONDS)
