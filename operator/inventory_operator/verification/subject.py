"""What a round of checks knows of a stack without asking its pods. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inventory_operator.api.metadata import COMPONENT_LABEL
from inventory_operator.kube.pods import controlled_by, working_pods

if TYPE_CHECKING:
    from inventory_operator.api.metadata import Stack
    from inventory_operator.api.stack import Spec

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """One stack as it is in the cluster."""

    stack: Stack
    spec: Spec
    #: Its live children, its pods and their ReplicaSets; of ConfigMaps only the names of our files.
    children: tuple[Object, ...]

    def of_kind(self, kind: str) -> list[Object]:
        """Return the children of a kind."""
        return [child for child in self.children if child["kind"] == kind]

    def deployments(self, component: str) -> list[Object]:
        """Return the Deployments of a component that the stack owns."""
        return [
            one
            for one in self.of_kind("Deployment")
            if one["metadata"]["labels"].get(COMPONENT_LABEL) == component and controlled_by(one, self.stack.uid)
        ]

    def pods(self, component: str) -> list[Object]:
        """Return the working pods of a component's own Deployments; in each those of the newest ReplicaSet first."""
        sets = [of_set for one in self.deployments(component) for of_set in working_pods(one, self.children)]
        return [pod for of_set in sets for pod in of_set]
