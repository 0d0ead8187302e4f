"""Why a stack is not as it should be: each thing that is wrong, what it means and what to do, from its status alone.

Pure. What to do is in docs/status.md, and reasons.json is made from it (hack/reasons.py); which command shows more is
here.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from inventory_cli.view import conditions, verdict, view

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]
#: Reasons of a part that is as it should be.
_GOOD = frozenset({"Available", "Reachable"})
#: What messages of the operator name, and where it is in them.
_NAMED = {
    "pod": r"\bpod ([a-z0-9](?:[-a-z0-9.]*[a-z0-9])?)",
    "container": r"\bcontainer ([a-z0-9](?:[-a-z0-9]*[a-z0-9])?)",
    "node": r"\bnode ([a-z0-9](?:[-a-z0-9.]*[a-z0-9])?)",
    "claim": r"\bPersistentVolumeClaim ([a-z0-9](?:[-a-z0-9.]*[a-z0-9])?)",
    "secret": r"\bSecret \"?([a-z0-9](?:[-a-z0-9.]*[a-z0-9])?)",
}
_POD, _LOG = "kubectl -n {namespace} describe pod {pod}", "kubectl -n {namespace} logs {pod} -c {container}"
_WORKLOADS = "kubectl -n {namespace} describe deployments,replicasets -l inventorystack.dev/stack={name}"
_EDIT, _STACK = "kubectl -n {namespace} edit invstack {name}", "kubectl -n {namespace} describe invstack {name}"
_CHILDREN = "kubectl -n {namespace} get all,pvc,configmaps,ingress -l inventorystack.dev/stack={name} --show-labels"
_CLAIM = "kubectl -n {namespace} describe pvc {claim}"
_MAPS, _PODS = (
    "kubectl -n {namespace} get configmaps",
    "kubectl -n {namespace} get pods -l inventorystack.dev/stack={name}",
)
#: The command that shows more, or puts it right; what is not here is shown by describing the stack.
COMMANDS = {
    **dict.fromkeys(
        ("ImagePullBackOff", "InvalidImageName", "ImageInspectError", "PullingImage", "ContainerCreating", "OOMKilled"),
        _POD,
    ),
    **dict.fromkeys(("CreateContainerConfigError", "CreateContainerError", "RunContainerError"), _POD),
    **dict.fromkeys(("ReadinessGatesNotReady", "Terminating", "Unschedulable", "SchedulingGated"), _POD),
    "CrashLoopBackOff": f"{_LOG} --previous",
    **dict.fromkeys(("NotReady", "Initializing"), _LOG),
    "NodeLost": "kubectl describe node {node}",
    **dict.fromkeys(("Creating", "Starting", "RollingOut", "NoPodRunning", "ReloadFailed"), _PODS),
    **dict.fromkeys(("ProgressDeadlineExceeded", "FailedCreate", "FailedDelete", "ReplicaSetCreateError"), _WORKLOADS),
    "DeploymentPaused": "kubectl -n {namespace} get deployments -l inventorystack.dev/stack={name}",
    "StorageClassMissing": "kubectl get storageclasses",
    **dict.fromkeys(("VolumePending", "VolumeLost"), _CLAIM),
    "AutoscalingFailed": "kubectl -n {namespace} describe hpa -l inventorystack.dev/stack={name}",
    "NotReachable": "kubectl -n {namespace} logs deployment/{name}-inventory",
    **dict.fromkeys(
        ("ConfigurationRefused", "VolumeFull"), "kubectl -n {namespace} logs deployment/{name}-prometheus --tail=20"
    ),
    "NotificationsFailing": "kubectl -n {namespace} logs deployment/{name}-alertmanager --tail=20",
    "Paused": """kubectl -n {namespace} patch invstack {name} --type=merge -p '{{"spec":{{"paused":false}}}}'""",
    **dict.fromkeys(("InvalidSpec", "NotPermitted", "TooManyReferences", "InvalidConfiguration"), _EDIT),
    **dict.fromkeys(("MissingReference", "InvalidSecret"), "kubectl -n {namespace} describe secret {secret}"),
    **dict.fromkeys(("InvalidRules", "InvalidScrapeConfig", "InvalidDashboard"), _MAPS),
    **dict.fromkeys(("NameTaken", "WaitingForDeletion", "FieldConflict"), _CHILDREN),
    "WaitingForDatabase": "kubectl -n {namespace} get clusters.postgresql.cnpg.io",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be."""

    #: A condition or a check.
    about: str
    status: str
    reason: str
    message: str
    action: str
    command: str


def findings(stack: Object) -> list[Finding]:
    """Return what is not as it should be with a stack, what holds everything back first."""
    if not verdict(stack).current:
        return [_not_looked_at(stack)]
    found: list[Finding] = []
    for about, one in _bad(stack):
        finding = _finding(stack, about, one)
        if not any(_repeats(finding, other) for other in found):
            found.append(finding)
    return found


def _repeats(finding: Finding, other: Finding) -> bool:
    """Tell whether two conditions say the same: Ready and Stalled repeat what a part says, or a part them."""
    same = finding.message in other.message or other.message in finding.message
    return finding.reason == other.reason and same


def _bad(stack: Object) -> Iterator[tuple[str, Object]]:
    of_stack, shown = conditions(stack), view(stack, None)
    if of_stack.get("Stalled", {}).get("status") == "True":
        yield "Stalled", of_stack["Stalled"]
    for component in shown["components"]:
        for one in component["conditions"]:
            if one["status"] != "True" or one["reason"] not in _GOOD:
                yield one["type"], one
    if of_stack.get("Ready", {}).get("status") != "True":
        ready = of_stack.get(
            "Ready", {"status": "Unknown", "reason": "Unknown", "message": "it has no condition Ready"}
        )
        message = ready["message"]
        # It begins with the condition that it repeats.
        yield (
            "Ready",
            {**ready, "message": message.partition(": ")[2] if message.split(":")[0] in of_stack else message},
        )
    if of_stack.get("Reconciling", {}).get("reason") == "Paused":
        yield "Reconciling", of_stack["Reconciling"]
    failed = [one for one in shown["checks"] if one.get("status") == "Failed"]
    yield from ((one["check"], one) for one in failed)
    if not failed and of_stack.get("Verified", {}).get("status") == "False":
        yield "Verified", of_stack["Verified"]


def _finding(stack: Object, about: str, one: Object) -> Finding:
    reason, message = str(one.get("reason", "")), str(one.get("message", ""))
    action = action_for(reason, about)
    return Finding(about, str(one["status"]), reason, message, action, command_for(stack, reason, message))


def _not_looked_at(stack: Object) -> Finding:
    seen = stack.get("status", {}).get("observedGeneration")
    message = f"the operator has not looked at generation {stack['metadata'].get('generation')} of the spec yet"
    if seen not in {None, -1}:
        message += f", only at {seen}"
    action = "wait some seconds; if it stays so, see whether the operator runs, and what its log says"
    command = "kubectl get pods --all-namespaces -l app.kubernetes.io/name=inventory-operator"
    return Finding("Ready", "Unknown", "NotLookedAt", message, action, command)


def action_for(reason: str, about: str = "") -> str:
    """Return what docs/status.md says to do; empty for a reason that it does not have."""
    rows = [row for row in _rows() if row["reason"] == reason]
    fitting = [row for row in rows if about and about in row["where"]]
    return next((row["action"] for row in [*fitting, *rows]), "")


@cache
def _rows() -> tuple[dict[str, str], ...]:
    return tuple(json.loads(files("inventory_cli").joinpath("reasons.json").read_text("utf-8")))


def command_for(stack: Object, reason: str, message: str) -> str:
    """Return the command that shows more of what a message tells of, or puts it right."""
    metadata = stack["metadata"]
    known = {"namespace": metadata["namespace"], "name": metadata["name"]}
    for what, pattern in _NAMED.items():
        if found := re.search(pattern, message):
            known[what] = found[1]
    try:
        return COMMANDS.get(reason, _STACK).format_map(known)
    except KeyError:
        return _STACK.format_map(known)
