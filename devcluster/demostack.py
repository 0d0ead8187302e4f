"""The demo's stack: applied with or without Grafana, and waited for.

Uses only what a user would: kubectl patch, apply and get.
"""

from __future__ import annotations

import ast
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from devcluster.errors import ClusterError
from devcluster.images.registry import cause
from devcluster.paths import REPO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from devcluster.kubectl import Kubectl

NAMESPACE = STACK = "shop"
EXAMPLE = REPO / "examples" / "shop.yaml"
_SPEC = REPO / "operator" / "inventory_operator" / "api" / "grafana.py"
_PARTS = ("ServiceAvailable", "DatabaseAvailable", "PrometheusAvailable", "AlertmanagerAvailable")
_GRAFANA = "GrafanaAvailable"
_GRAFANA_PODS = f"inventorystack.dev/stack={STACK},app.kubernetes.io/component=grafana"
_NOT_PULLED = ("ImagePullBackOff", "ErrImagePull")
_WAIT_SECONDS = 600


def apply(kubectl: Kubectl, *, grafana: bool, dry_run: bool = False) -> dict[str, Any]:
    """Apply the example with Grafana switched on or off; return the stack as it is then, or would be."""
    patch = json.dumps(grafana_patch(enabled=grafana))
    example = kubectl("patch", "--local", "-f", str(EXAMPLE), "--type=merge", "-p", patch, "-o", "json")
    words = ["apply", "--server-side", "--force-conflicts", "-f", "-", "-o", "json"]
    stack: dict[str, Any] = json.loads(
        kubectl("-n", NAMESPACE, *words, *(["--dry-run=server"] if dry_run else []), stdin=example)
    )
    return stack


def grafana_patch(*, enabled: bool) -> dict[str, Any]:
    """Return the merge patch that switches Grafana on or off."""
    return {"spec": {"grafana": {"enabled": enabled}}}


def grafana_image(stack: dict[str, Any]) -> str:
    """Return the image that Grafana's pod of `stack` has: the stack's, or the operator's default."""
    image = stack["spec"].get("grafana", {}).get("image")
    return str(image or _default("GRAFANA_IMAGE"))


def retry_pull(kubectl: Kubectl) -> None:
    """Delete a Grafana pod of an earlier run whose image wasn't pulled: the next one doesn't wait for its back-off."""
    pods = kubectl.json("-n", NAMESPACE, "get", "pods", "-l", _GRAFANA_PODS)["items"]
    if names := [pod["metadata"]["name"] for pod in pods if pull_error([pod])]:
        kubectl("-n", NAMESPACE, "delete", "pod", *names, "--ignore-not-found", "--timeout=60s")


def wait(kubectl: Kubectl) -> str:
    """Wait until the stack is ready, saying what is waited for; return why when Grafana's image can't be pulled."""
    reason = ""

    def unavailable(stack: dict[str, Any]) -> str:
        nonlocal reason
        waiting = pending(stack)
        if waiting.startswith(_GRAFANA):
            reason = pull_error(kubectl.json("-n", NAMESPACE, "get", "pods", "-l", _GRAFANA_PODS)["items"])
        return "" if reason else waiting

    _wait_for(kubectl, unavailable)
    return reason


def pending(stack: dict[str, Any]) -> str:
    """Return what `stack` still waits for, Grafana after all other parts; empty when it is ready."""
    generation = stack["metadata"]["generation"]
    conditions = {
        it["type"]: it
        for it in stack.get("status", {}).get("conditions", ())
        if it.get("observedGeneration", generation) == generation
    }
    stalled = conditions.get("Stalled", {})
    if stalled.get("status") == "True":
        raise ClusterError(f"the stack is stalled: {stalled.get('message')}")
    grafana = (_GRAFANA,) if stack["spec"].get("grafana", {}).get("enabled", True) else ()
    for name in (*_PARTS, *grafana, "Ready"):
        condition = conditions.get(name)
        if condition is None:
            return f"{name}: not reported yet"
        if condition["status"] != "True":
            return f"{name}: {condition.get('message') or condition.get('reason')}"
    return ""


def wait_verified(kubectl: Kubectl) -> dict[str, Any]:
    """Wait until every check of the stack that counts is passed, saying what is waited for; return the stack."""

    def unverified(stack: dict[str, Any]) -> str:
        conditions = {one["type"]: one for one in stack.get("status", {}).get("conditions", ())}
        verified = conditions.get("Verified", {})
        return "" if verified.get("status") == "True" else f"Verified: {verified.get('message', 'not reported yet')}"

    return _wait_for(kubectl, unverified)


def _wait_for(kubectl: Kubectl, look: Callable[[dict[str, Any]], str]) -> dict[str, Any]:
    """Return the stack once `look` finds nothing that it waits for; ClusterError where that takes too long."""
    deadline, last = time.monotonic() + _WAIT_SECONDS, ""
    while time.monotonic() < deadline:
        stack: dict[str, Any] = kubectl.json("-n", NAMESPACE, "get", "inventorystack", STACK)
        waiting = look(stack)
        if not waiting:
            return stack
        if waiting != last:
            print(f"waiting for {waiting}", file=sys.stderr, flush=True)
            last = waiting
        time.sleep(0.5)
    raise ClusterError(f"after {_WAIT_SECONDS} s the stack still waits for {last}")


def pull_error(pods: Iterable[dict[str, Any]]) -> str:
    """Return why the image of one of `pods` can't be pulled; empty when nothing says so."""
    for pod in pods:
        status = {} if "deletionTimestamp" in pod["metadata"] else pod.get("status", {})
        for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
            waiting = container.get("state", {}).get("waiting", {})
            if waiting.get("reason") in _NOT_PULLED:
                return cause(waiting.get("message", "")) or str(waiting["reason"])
    return ""


def _default(name: str) -> str:
    """Return a constant of the operator's spec, which can't be imported: its libraries aren't installed yet."""
    for node in ast.parse(_SPEC.read_text()).body:
        if isinstance(node, ast.Assign) and [ast.unparse(it) for it in node.targets] == [name]:
            return str(ast.literal_eval(node.value))
    raise ClusterError(f"{_SPEC} has no {name}")
