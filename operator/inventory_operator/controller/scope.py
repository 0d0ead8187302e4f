"""The value that one pass over a stack works on: what was observed, what is planned from it, and what came of that.

Only the record; each step of the reconciler returns a new one with more in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from inventory_operator.api import metadata as meta

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inventory_operator.api.stack import Spec
    from inventory_operator.components.blocker import Blocker
    from inventory_operator.components.references import Reference

Object = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One pass over one stack."""

    #: The custom resource as the watch shows it.
    raw: Object
    #: RFC 3339: the one time of this pass.
    now: str
    #: None where the spec can't be followed.
    spec: Spec | None = None
    #: Secrets that the spec refers to.
    references: tuple[Reference, ...] = ()
    #: What the generated Secrets hold, or will be created with: name -> data in base64.
    generated: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    desired: tuple[Object, ...] = ()
    #: What holds objects back, in the order in which it was found.
    blockers: tuple[Blocker, ...] = ()
    #: In how many seconds to come again whatever happens, where something is unfinished.
    again: float | None = None

    @property
    def stack(self) -> meta.Stack:
        """Who it is about."""
        metadata = self.raw["metadata"]
        return meta.Stack(metadata["namespace"], metadata["name"], metadata["uid"])

    @property
    def key(self) -> meta.Key:
        """Namespace and name."""
        return (self.raw["metadata"]["namespace"], self.raw["metadata"]["name"])

    @property
    def names(self) -> meta.Names:
        """The names of the children."""
        return meta.names(self.stack)
