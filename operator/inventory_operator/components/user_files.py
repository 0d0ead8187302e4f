"""A file that users put beside ours: where it comes from, what it is called in our ConfigMap, and who judges it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inventory_operator.api.metadata import USER_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inventory_operator.api.references import ConfigMapKeyRef
    from inventory_operator.components.config_tools import Tool

#: Bytes. A ConfigMap, which they share with ours, holds 1 MiB
#: (https://kubernetes.io/docs/concepts/configuration/configmap/); ours take less than a third of that.
LARGEST_TOGETHER = 700_000


@dataclass(frozen=True, slots=True)
class FileKind:
    """What the files of one list of the spec have in common."""

    #: The end of the name that a file gets in our ConfigMap; the program that reads it goes by that.
    ending: str
    #: The reason of the condition when one is refused.
    reason: str
    #: What judges one in a process of its own: a name of inventory_operator.checks.
    check: str
    #: What is said of a name in it that an earlier file has.
    name_taken: str = ""
    #: Names that are ours.
    taken: frozenset[str] = frozenset()
    #: The program that has the last word.
    tool: Tool | None = None


@dataclass(frozen=True, slots=True)
class UserFile:
    """One key of a user's ConfigMap that becomes a file beside ours."""

    kind: FileKind
    component: str
    name: str
    key: str
    #: Where the spec names it.
    path: str

    @property
    def target(self) -> str:
        """The key in our ConfigMap; the name of a ConfigMap has no `_`, so no two files can have the same one."""
        return f"{USER_FILE}{self.name}_{self.key}{self.kind.ending}"

    @property
    def wanted(self) -> tuple[str, str]:
        """Kind and name, as the ReferenceWatcher wants them."""
        return ("ConfigMap", self.name)


def files(kind: FileKind, component: str, path: str, refs: tuple[ConfigMapKeyRef, ...]) -> Iterator[UserFile]:
    """Yield the files of one list of the spec, which is at `path`."""
    for index, ref in enumerate(refs):
        yield UserFile(kind, component, ref.name, ref.key, f"{path}[{index}]")
