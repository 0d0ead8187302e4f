"""The components of a stack, each declared in a module of its own; the rest of the operator goes through `ALL`.

Not here: what is the same for all of them, which is the controller's and the status', and the templates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from inventory_operator.components.alertmanager import ALERTMANAGER
from inventory_operator.components.grafana import GRAFANA
from inventory_operator.components.prometheus import PROMETHEUS
from inventory_operator.components.service import SERVICE

if TYPE_CHECKING:
    from inventory_operator.api.metadata import Names
    from inventory_operator.api.stack import Spec
    from inventory_operator.components.component import Component
    from inventory_operator.components.references import Reference
    from inventory_operator.components.user_files import UserFile

#: In the order of their conditions.
ALL = (SERVICE, PROMETHEUS, ALERTMANAGER, GRAFANA)


def enabled(spec: Spec) -> tuple[Component, ...]:
    """Return the components that a stack has."""
    return tuple(component for component in ALL if component.enabled(spec))


def section_of(name: str) -> str:
    """Return where the part of the spec is from which a component, or all that is none, comes."""
    return next((component.section for component in ALL if component.name == name), "spec")


def storage_of(name: str) -> str:
    """Return where the spec says how the volume of a component should be."""
    return next(component.storage for component in ALL if component.name == name)


def references(spec: Spec, names: Names) -> tuple[Reference, ...]:
    """Return every Secret that `spec` refers to.

    Not the certificate of an ingress: cert-manager makes it after the ingress.
    """
    return tuple(found for component in enabled(spec) for found in component.references(spec, names))


def user_files(spec: Spec) -> tuple[UserFile, ...]:
    """Return every file that `spec` names, each once, in its order."""
    found = [file for component in enabled(spec) for file in component.user_files(spec)]
    return tuple({file.target: file for file in reversed(found)}.values())[::-1]
