"""Which network policies close the way from one pod to a port of another in the same namespace. Pure.

Only a guess where a network plugin does not enforce them, or a policy of another kind is in force. By
https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Object = dict[str, Any]
#: Returns the network policies of a stack's namespace; none where they can't be read.
Policies = Callable[[], Awaitable[list[Object]]]
_INGRESS, _EGRESS = "Ingress", "Egress"


def closing(policies: Iterable[Object], source: Object, target: Object, port: int) -> list[str]:
    """Return the names of the policies that let nothing through from `source` to a TCP port of `target`.

    What can't be told from the two pods, as the labels of their namespace, counts as open.
    """
    policies = list(policies)
    for pod, other, direction in ((target, source, _INGRESS), (source, target, _EGRESS)):
        found = [one for one in policies if _applies(one, pod, direction)]
        if found and not any(_lets_through(one, other, direction, port) for one in found):
            return sorted(str(one["metadata"]["name"]) for one in found)
    return []


def _applies(policy: Object, pod: Object, direction: str) -> bool:
    spec = policy.get("spec") or {}
    types = spec.get("policyTypes") or [_INGRESS, *([_EGRESS] if "egress" in spec else [])]
    return direction in types and _selects(spec.get("podSelector") or {}, pod["metadata"].get("labels") or {})


def _lets_through(policy: Object, other: Object, direction: str, port: int) -> bool:
    rules = policy["spec"].get(direction.lower()) or []
    peers = "from" if direction == _INGRESS else "to"
    return any(
        (not rule.get(peers) or any(_is(peer, other) for peer in rule[peers]))
        and (not rule.get("ports") or any(_has(one, port) for one in rule["ports"]))
        for rule in rules
    )


def _is(peer: Object, pod: Object) -> bool:
    if block := peer.get("ipBlock"):
        try:
            address = ip_address(pod.get("status", {}).get("podIP", ""))
            inside = address in ip_network(block["cidr"], strict=False)
            return inside and not any(address in ip_network(one, strict=False) for one in block.get("except") or ())
        except (ValueError, KeyError):
            return True
    return peer.get("podSelector") is None or _selects(peer["podSelector"], pod["metadata"].get("labels") or {})


def _has(allowed: Object, port: int) -> bool:
    given = allowed.get("port")
    if allowed.get("protocol", "TCP") != "TCP":
        return False
    # A name of a port may be any.
    return not isinstance(given, int) or given <= port <= allowed.get("endPort", given)


def _selects(selector: Object, labels: Object) -> bool:
    return all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items()) and all(
        _holds(one, labels) for one in selector.get("matchExpressions") or ()
    )


def _holds(expression: Object, labels: Object) -> bool:
    key, values = str(expression.get("key")), expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels
