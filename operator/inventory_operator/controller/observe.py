"""The first step of a pass: the typed spec, which Secrets that it refers to are there, what of it is not permitted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from inventory_operator.api import metadata as meta
from inventory_operator.api.stack import InvalidSpec, parse
from inventory_operator.cache.reference_watcher import ReferenceLimitError
from inventory_operator.components import enabled, references, user_files
from inventory_operator.components.blocker import MISSED_BY_WATCH_SECONDS, WHOLE_STACK, Blocker, Turn
from inventory_operator.components.component import Circumstances
from inventory_operator.components.rights import ingress_blockers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from inventory_operator.cache.reference_watcher import ReferenceWatcher
    from inventory_operator.components.references import Reference
    from inventory_operator.controller.scope import Scope
    from inventory_operator.settings import Settings


@dataclass(slots=True)
class Observer:
    """Everything that is observed through."""

    watcher: ReferenceWatcher
    #: Return the optional kinds that the API server serves now.
    served: Callable[[], Collection[str]]
    settings: Settings

    async def __call__(self, scope: Scope) -> Scope:
        """Return the pass with what is there of what the spec refers to; TimeoutError where that can't be read."""
        target = (meta.KIND, scope.stack.name)
        try:
            spec = parse(scope.raw)
            wanted = references(spec, scope.names)
            files = {one.wanted for one in user_files(spec)}
            await self.watcher.want(scope.key, {one.wanted for one in wanted} | files)
        except InvalidSpec as error:
            more = len(error.problems) - 1
            message = f"{error} (and {more} more)" if more else str(error)
            return replace(
                scope, blockers=(*scope.blockers, Blocker(target, WHOLE_STACK, "InvalidSpec", message, Turn.USER))
            )
        except ReferenceLimitError as error:
            blocker = Blocker(
                target, WHOLE_STACK, "TooManyReferences", error.message, Turn.USER, MISSED_BY_WATCH_SECONDS
            )
            return replace(scope, blockers=(*scope.blockers, blocker))
        scope = replace(scope, spec=spec, references=wanted)
        return replace(scope, blockers=(*scope.blockers, *self._blockers(scope)))

    def _blockers(self, scope: Scope) -> list[Blocker]:
        """Return a Blocker for each incomplete reference, what components make of these, and what is not permitted."""
        assert scope.spec
        reasons = {one: self._missing_reason(scope, one) for one in scope.references}
        missing = {one: reason for one, reason in reasons.items() if reason}
        found = [_missing(scope.names, one, reason) for one, reason in missing.items() if not one.created_by_stack]
        circumstances = Circumstances(missing, self.served(), self.settings)
        for component in enabled(scope.spec):
            found += component.blockers(scope.spec, scope.names, circumstances)
            found += ingress_blockers(component, scope.spec, scope.names, self.settings)
        return found

    def _missing_reason(self, scope: Scope, reference: Reference) -> str | None:
        return reference.missing_reason(self.watcher.data("Secret", scope.stack.namespace, reference.name))


def _missing(names: meta.Names, reference: Reference, reason: str) -> Blocker:
    """Return what holds back the pods that need the Secret; those that mount it start without, so it only reports."""
    component = reference.component
    target = reference.wanted if reference.mounted else ("Deployment", getattr(names, component))
    message = f"{reference.path}: {reason}"
    return Blocker(target, component, "MissingReference", message, Turn.USER, MISSED_BY_WATCH_SECONDS)
