"""What a stack asks for beyond its namespace, as far as the operator's administrator has not opened it.

What is invalid whoever opens it is not here: the types in `api` refuse that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from inventory_operator.components.blocker import Blocker, ObjectId, Turn
from inventory_operator.settings import ANY, variable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from inventory_operator.api.metadata import Names
    from inventory_operator.api.stack import Spec
    from inventory_operator.components.component import Component
    from inventory_operator.settings import Settings

#: How many of many words a message has.
_SHOWN = 3


def not_permitted(target: ObjectId, component: str, found: str, setting: str, ways: tuple[str, str]) -> Blocker:
    """Return what holds an object back because a setting does not open it.

    `found` is the field and what it says; `ways` are what the setting says, and what else the field can say.
    """
    says, instead = ways
    message = (
        f"{found} is not permitted: the operator's setting {variable(setting)} {says}; {instead}, or ask the "
        f"operator's administrator to open it"
    )
    return Blocker(target, component, "NotPermitted", message, Turn.USER)


def ingress_blockers(component: Component, spec: Spec, names: Names, settings: Settings) -> Iterator[Blocker]:
    """Yield what holds back the Ingress of a component; one that is there is neither changed nor deleted."""
    given = spec.ingress
    if not given or not (host := component.host(given.hosts)):
        return
    target = ("Ingress", getattr(names, component.name))

    def refusal(found: str, setting: str, allowed: Collection[str]) -> Blocker:
        says = f"allows {_some(allowed) or 'none'}"
        instead = f"Ingress {target[1]} is left as it is until you leave it out, name what is allowed"
        return not_permitted(target, component.name, found, setting, (says, instead))

    if not host_is_allowed(host, settings.allowed_ingress_hosts):
        found = f"spec.ingress.hosts.{component.name}: {host}"
        yield refusal(found, "allowed_ingress_hosts", settings.allowed_ingress_hosts)
    if given.class_name and given.class_name not in settings.allowed_ingress_classes:
        found = f"spec.ingress.className: {given.class_name}"
        yield refusal(found, "allowed_ingress_classes", settings.allowed_ingress_classes)
    if keys := sorted(given.annotations.keys() - set(settings.allowed_ingress_annotations)):
        found = f"spec.ingress.annotations: {_some(keys)}"
        yield refusal(found, "allowed_ingress_annotations", settings.allowed_ingress_annotations)


def host_is_allowed(host: str, allowed: Collection[str]) -> bool:
    """Tell whether a host is one of those that are allowed, or below one; both in lower case, without a last dot."""
    return ANY in allowed or any(host == one or host.endswith(f".{one}") for one in allowed)


def _some(words: Collection[str]) -> str:
    shown = ", ".join(list(words)[:_SHOWN])
    return f"{shown} and {len(words) - _SHOWN} more" if len(words) > _SHOWN else shown
