"""What a component declares of itself: all that the controller and the status know of one.

Only the shapes. Each component is declared in a module of its own, and `ALL` in the package has them in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from inventory_operator.api.ingress import Hosts
    from inventory_operator.api.metadata import Names, Stack
    from inventory_operator.api.stack import Spec
    from inventory_operator.components.blocker import Blocker
    from inventory_operator.components.config_tools import Tool
    from inventory_operator.components.references import Reference
    from inventory_operator.components.user_files import UserFile
    from inventory_operator.settings import Settings

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Dependency:
    """What the pods of a component can't work without, and whose state their readiness check shows."""

    name: str
    condition: str
    #: What the spec chooses, in words; None stands for a spec that can't be read.
    describe: Callable[[Spec | None], str]
    #: Kinds of children that are part of it.
    kinds: frozenset[str]


@dataclass(frozen=True, slots=True)
class ConfigCheck:
    """A key of the component's ConfigMap with words of a user, and the program that judges it before it is written."""

    file: str
    tool: Tool


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What holds objects of a component back beside the spec alone."""

    #: What each incomplete reference lacks, in words.
    missing: Mapping[Reference, str]
    #: The optional kinds (kube.kinds) that the API server serves.
    served: Collection[str]
    settings: Settings


class AfterApply(Protocol):
    """Something to do each time that the children of a stack were applied; one instance serves all stacks."""

    async def __call__(
        self, stack: Stack, applied: Iterable[Object], live: Iterable[Object]
    ) -> tuple[list[Blocker], float | None]:
        """Do it; return what failed, and in how many seconds to try again, None when nothing is left to do.

        `applied` has the desired objects that are in the cluster, `live` all children of the stack, its pods and
        their ReplicaSets.
        """

    def forget(self, stack: tuple[str, str]) -> None:
        """Drop what is remembered of a stack, by its namespace and name, that is gone."""


def _none(*_: Any) -> tuple[()]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One part of a stack: a folder of templates, a Deployment and a condition in the status."""

    #: The name of its folder below templates/, of its field in `Names`, and its component label.
    name: str
    condition: str
    #: Where its part of the spec is.
    section: str
    #: Where the spec says how its volume should be.
    storage: str
    #: Where its Service answers.
    port: int
    enabled: Callable[[Spec], bool] = lambda _: True
    #: The host name under which it is reached from outside.
    host: Callable[[Hosts], str | None] = lambda _: None
    #: Secrets that the spec names for it.
    references: Callable[[Spec, Names], Iterable[Reference]] = _none
    #: Files that users put beside ours in its ConfigMap.
    user_files: Callable[[Spec], Iterable[UserFile]] = _none
    config_checks: Callable[[Spec], Iterable[ConfigCheck]] = _none
    #: What else holds its objects back.
    blockers: Callable[[Spec, Names, Circumstances], Iterable[Blocker]] = _none
    #: What a person should know although it is available.
    note: Callable[[Spec, Settings], str | None] = lambda *_: None
    dependency: Dependency | None = None
    after_apply: Callable[[], AfterApply] | None = None
