"""What `status` and `explain` make of a status: every kind that the operator writes, and words that others wrote."""

from __future__ import annotations

import copy
from io import StringIO
from typing import Any

import pytest
import yaml
from rich.console import Console
from tests.framework.rendered import ROOT

import reasons
from inventory_cli import findings as explaining
from inventory_cli.commands.explain import summary
from inventory_cli.findings import COMMANDS, action_for, command_for, findings
from inventory_cli.tree import tree
from inventory_cli.view import verdict, view
from inventory_operator.components import ALL

RECORDED: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "tests/golden/statuses.yaml").read_text("utf-8"))
READY = next(stack for stack in RECORDED.values() if verdict(stack).good)


def shown(found: dict[str, Any], *, colours: bool = False) -> str:
    console = Console(file=StringIO(), width=10_000, force_terminal=colours, highlight=False)
    console.print(tree(found))
    return console.file.getvalue()


def pod(name: str = "shop-inventory-1-a", **status: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/component": "service", "inventorystack.dev/stack": "shop"}
    spec = {"containers": [{"name": "service", "image": "example.com/service:1"}]}
    state = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": state | status}


def checked(**fields: Any) -> dict[str, Any]:
    """A ready stack that the operator verifies."""
    stack = copy.deepcopy(READY)
    stack["status"] |= fields
    return stack


@pytest.mark.parametrize("name", RECORDED)
def test_the_tree_has_every_condition_with_its_reason_and_message(name: str) -> None:
    stack = RECORDED[name]
    text = shown(view(stack, []))
    for condition in stack.get("status", {}).get("conditions", ()):
        assert f"{condition['type']}: {condition['status']} {condition['reason']}" in text
        assert condition["message"][:200] in text


@pytest.mark.parametrize("name", RECORDED)
def test_each_thing_that_is_wrong_is_explained_with_what_to_do_and_a_command(name: str) -> None:
    stack = RECORDED[name]
    found = findings(stack)
    paused = stack.get("spec", {}).get("paused")
    assert bool(found) == (not verdict(stack).good or bool(paused))
    for one in found:
        assert one.action, one.reason
        assert one.command.startswith("kubectl ")
        assert "{" not in one.command.replace('{"spec":{"paused":false}}', "")
    assert len({(one.reason, one.message) for one in found}) == len(found)
    assert summary(stack).startswith("shop/shop")


def test_every_condition_of_a_component_has_its_place() -> None:
    found = view(READY, [])
    kinds = [one["type"] for component in found["components"] for one in component["conditions"]]
    assert {component.condition for component in ALL} <= set(kinds)
    assert [component["name"] for component in found["components"]] == [component.name for component in ALL]


def test_a_stack_is_as_it_should_be_only_for_its_newest_spec() -> None:
    stack = copy.deepcopy(READY)
    stack["metadata"]["generation"] += 1
    assert not verdict(stack).good
    (one,) = findings(stack)
    now, before = stack["metadata"]["generation"], READY["metadata"]["generation"]
    assert one.message == f"the operator has not looked at generation {now} of the spec yet, only at {before}"
    assert "nothing is known of the newest spec" in summary(stack)


def test_pods_are_shown_with_phase_restarts_and_image() -> None:
    waiting = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "restartCount": 7}
    bad = pod("shop-inventory-1-b", conditions=[], containerStatuses=[waiting])
    old = pod("shop-inventory-0-c", phase="Succeeded")
    text = shown(view(READY, [pod(), bad, old]))
    assert "pod shop-inventory-1-a: Running, ready, 0 restarts, example.com/service:1" in text
    assert "pod shop-inventory-1-b: CrashLoopBackOff, not ready, 7 restarts" in text
    assert "shop-inventory-0-c" not in text
    assert "your rights do not suffice" in shown(view(READY, None))


def test_targets_and_checks_are_shown_where_the_operator_tells_of_them() -> None:
    others = [{"pod": "shop-inventory-1-a", "reason": "Timeout", "message": "it took longer than 5 s"}]
    check = {
        "check": "MetricsExposed",
        "status": "Failed",
        "reason": "MetricMissing",
        "message": "no http_requests_total",
    }
    verified = {"type": "Verified", "status": "False", "reason": "MetricMissing", "message": "MetricsExposed: no"}
    stack = checked(
        targets={"summary": "1/2", "expected": 2, "up": 1, "others": others},
        verification={"summary": "5/6", "checks": [check]},
        conditions=[*READY["status"]["conditions"], verified],
    )
    assert not verdict(stack).good
    text = shown(view(stack, []))
    assert "targets 1/2" in text
    assert "pod shop-inventory-1-a: Timeout: it took longer than 5 s" in text
    assert "MetricsExposed: Failed MetricMissing: no http_requests_total" in text
    assert [(one.about, one.message) for one in findings(stack)] == [("MetricsExposed", "no http_requests_total")]
    assert summary(stack) == "shop/shop is Ready but not Verified."
    assert summary(checked(conditions=[*READY["status"]["conditions"], verified | {"status": "True"}])).endswith(
        "Ready and Verified."
    )


def test_words_of_others_move_no_cursor_and_are_bounded() -> None:
    stack = copy.deepcopy(READY)
    stack["status"]["conditions"][0]["message"] = "\x1b[2J[red]\r\n" + "x" * 100_000
    text = shown(view(stack, [pod("\x1b]0;title\x07")]))
    assert "\x1b" not in text
    assert "[red]" in text
    assert max(map(len, text.splitlines())) < 1000


def test_colours_are_for_terminals_only() -> None:
    assert "\x1b[" in shown(view(READY, [pod()]), colours=True)
    assert "\x1b[" not in shown(view(READY, [pod()]))


def test_the_reasons_are_those_of_the_page() -> None:
    assert reasons.FILE.read_text("utf-8") == reasons.reasons(), "run make golden"
    assert COMMANDS.keys() <= {row["reason"] for row in explaining._rows()}


def test_a_reason_that_two_conditions_have_is_explained_by_the_right_row() -> None:
    assert "wait: pods start" in action_for("Starting", "PrometheusAvailable")
    assert "less than 15 s" in action_for("Starting", "DatabaseAvailable")
    assert action_for("NoSuchReason") == ""


@pytest.mark.parametrize(
    ("reason", "message", "command"),
    [
        (
            "CrashLoopBackOff",
            "pod shop-x-1: container service ended with exit code 1: read its log",
            "kubectl -n shop logs shop-x-1 -c service --previous",
        ),
        ("NodeLost", "pod shop-x-1: its node n1.example does not answer", "kubectl describe node n1.example"),
        ("MissingReference", 'spec.x: Secret "db" not found', "kubectl -n shop describe secret db"),
        ("VolumePending", "PersistentVolumeClaim shop-grafana: waits", "kubectl -n shop describe pvc shop-grafana"),
        ("CrashLoopBackOff", "words without a name", "kubectl -n shop describe invstack shop"),
        ("NoSuchReason", "pod $(reboot): x", "kubectl -n shop describe invstack shop"),
        ("NotReady", "pod a;reboot: container b", "kubectl -n shop logs a -c b"),
    ],
)
def test_the_next_command_has_the_names_of_the_message(reason: str, message: str, command: str) -> None:
    assert command_for(READY, reason, message) == command
