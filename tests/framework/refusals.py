"""Admission policies that refuse writes, and what a stack's status says of that."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.framework.api import Api

_POLICIES = "apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
_BINDINGS = f"{_POLICIES.removesuffix('policies')}policybindings"


@contextmanager
def policy(api: Api, name: str, spec: dict[str, Any], labels: dict[str, str]) -> Iterator[None]:
    """Let a policy hold in the namespaces with these labels; the API server heeds it within some seconds."""
    selected = {"namespaceSelector": {"matchLabels": labels}}
    bound = {"policyName": name, "validationActions": ["Deny"], "matchResources": selected}
    for path, body in ((_POLICIES, {**spec, "failurePolicy": "Fail"}), (_BINDINGS, bound)):
        answer = api.request("POST", path, {"metadata": {"name": name}, "spec": body})
        assert answer.ok, answer.text
    try:
        yield
    finally:
        for path in (_BINDINGS, _POLICIES):
            assert api.request("DELETE", f"{path}/{name}").ok


def told(api: Api, namespace: str, name: str, sentence: str) -> list[dict[str, Any]]:
    """The conditions that name an object and a sentence, of a status that is about the newest spec."""
    found = api.get("InventoryStack", namespace, "shop")
    assert found
    status = found.get("status", {})
    if status.get("observedGeneration") != found["metadata"]["generation"]:
        return []
    return [one for one in status["conditions"] if name in one["message"] and sentence in one["message"]]
