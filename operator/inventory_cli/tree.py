"""The tree of a stack for a terminal: what is good is green, what is bad is red, and each line says why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text
from rich.tree import Tree

from inventory_cli.failure import shortened
from inventory_cli.view import GOOD_WHEN_FALSE

Object = Mapping[str, Any]
GOOD, BAD, OPEN, QUIET = "green", "red", "yellow", "dim"
_CHECK = {"Passed": GOOD, "Failed": BAD, "Skipped": QUIET}


def colour(kind: str, status: str) -> str:
    """Return how a condition is shown."""
    if status == "Unknown":
        return OPEN
    if kind in GOOD_WHEN_FALSE:
        return QUIET if status == "False" else {"Stalled": BAD}.get(kind, OPEN)
    return GOOD if status == "True" else BAD


def line(*parts: tuple[str, str]) -> Text:
    """Return one line of texts, each with its style; what others wrote is made printable."""
    text = Text(overflow="fold")
    for words, style in parts:
        text.append(shortened(words), style=style)
    return text


def tree(view: Object) -> Tree:
    """Return the tree of what inventory_cli.view says of a stack."""
    root = Tree(_head(view))
    for condition in view["conditions"]:
        root.add(_condition(condition))
    for component in view["components"]:
        branch = root.add(line((component["name"], "bold")))
        for condition in component["conditions"]:
            branch.add(_condition(condition))
        for pod in component["pods"]:
            branch.add(_pod(pod))
    if not view["podsShown"]:
        root.add(line(("pods are not shown: your rights do not suffice to list them", OPEN)))
    if targets := view["targets"]:
        _targets(root, targets)
    if view["checks"]:
        branch = root.add(line(("checks ", "bold"), (str(view["checksSummary"] or ""), "")))
        for check in view["checks"]:
            status = str(check.get("status", "Unknown"))
            why = _why(check)
            branch.add(line((f"{check.get('check', '')}: ", ""), (status, _CHECK.get(status, OPEN)), (why, "")))
    return root


def _head(view: Object) -> Text:
    parts = [(f"{view['namespace']}/{view['name']}", "bold")]
    if view["observedGeneration"] != view["generation"]:
        parts.append((" (the operator has not looked at the newest spec yet)", OPEN))
    if view["paused"]:
        parts.append((" (paused: the operator looks and reports, but changes nothing)", OPEN))
    return line(*parts)


def _condition(condition: Object) -> Text:
    kind, status = str(condition["type"]), str(condition["status"])
    return line((f"{kind}: ", ""), (status, colour(kind, status)), (_why(condition), ""))


def _why(one: Object) -> str:
    reason, message = one.get("reason"), one.get("message")
    return f" {reason}: {message}" if message else f" {reason or ''}"


def _pod(pod: Object) -> Text:
    state = pod["waiting"] or pod["phase"]
    style = GOOD if pod["ready"] else OPEN if pod["phase"] == "Terminating" or not pod["waiting"] else BAD
    ready = "ready" if pod["ready"] else "not ready"
    restarts = f"{pod['restarts']} restart{'' if pod['restarts'] == 1 else 's'}"
    return line((f"pod {pod['name']}: ", ""), (f"{state}, {ready}", style), (f", {restarts}, {pod['image']}", QUIET))


def _targets(root: Tree, targets: Object) -> None:
    good = targets.get("up") == targets.get("expected")
    branch = root.add(line(("targets ", "bold"), (str(targets.get("summary", "")), GOOD if good else BAD)))
    for other in targets.get("others") or ():
        branch.add(line((f"pod {other.get('pod', '')}:", BAD), (_why(other), "")))
