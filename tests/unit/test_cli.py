"""The small commands: what they print, for people and for programs, and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from inventory_operator import __main__ as entry
from inventory_operator import cli

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
BAD = """\
apiVersion: inventorystack.dev/v1alpha1
kind: InventoryStack
metadata: {name: bad}
spec: {prometheus: {retention: soon}, service: {replicas: -1}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: unrelated}
"""


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    file = tmp_path / "bad.yaml"
    file.write_text(BAD)
    return file


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr("sys.argv", ["inventory-operator", *map(str, words)])
    return entry.main()


def test_every_example_is_valid(monkeypatch, capsys) -> None:
    assert run(monkeypatch, "check", *EXAMPLES) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= len(EXAMPLES)
    assert all(line.endswith(": ok") for line in lines)


def test_every_error_has_its_path(monkeypatch, capsys, bad) -> None:
    assert run(monkeypatch, "check", EXAMPLES[0], bad) == 1
    out = capsys.readouterr().out
    assert f"{bad}: bad: spec.prometheus.retention: expected a duration" in out
    assert f"{bad}: bad: spec.service.replicas: " in out
    assert f"{EXAMPLES[0]}: " in out
    assert "unrelated" not in out


def test_check_speaks_json(monkeypatch, capsys, bad) -> None:
    assert run(monkeypatch, "check", "-o", "json", EXAMPLES[0], bad) == 1
    good, found = json.loads(capsys.readouterr().out)
    assert good["problems"] == []
    assert found["name"] == "bad"
    assert {problem["path"] for problem in found["problems"]} == {"spec.prometheus.retention", "spec.service.replicas"}


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_render_prints_the_same_objects_as_yaml_and_json(monkeypatch, capsys, file) -> None:
    assert run(monkeypatch, "render", file) == 0
    objects = list(yaml.load_all(capsys.readouterr().out, Loader=yaml.CSafeLoader))
    assert run(monkeypatch, "render", "-o", "json", file) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["kind"] == "List"
    assert shown["items"] == objects
    assert {"Deployment", "Service", "ConfigMap"} <= {obj["kind"] for obj in objects}


def test_render_takes_the_namespace_from_the_file_before_the_flag(monkeypatch, capsys, tmp_path) -> None:
    file = tmp_path / "stack.yaml"
    for metadata, expected in ({"name": "a"}, "flag"), ({"name": "a", "namespace": "own"}, "own"):
        stack = {
            "apiVersion": "inventorystack.dev/v1alpha1",
            "kind": "InventoryStack",
            "metadata": metadata,
            "spec": {},
        }
        file.write_text(yaml.safe_dump(stack))
        assert run(monkeypatch, "render", "-n", "flag", file) == 0
        namespaces = {
            obj["metadata"].get("namespace") for obj in yaml.load_all(capsys.readouterr().out, Loader=yaml.CSafeLoader)
        }
        assert namespaces == {expected, None}


def test_render_of_an_invalid_stack_prints_nothing_but_the_reason(monkeypatch, capsys, bad) -> None:
    assert run(monkeypatch, "render", bad) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "spec.prometheus.retention" in shown.err


@pytest.mark.parametrize("command", ["check", "render"])
@pytest.mark.parametrize("content", [None, "a: [unclosed"])
def test_a_file_that_can_not_be_read_is_one_sentence(monkeypatch, capsys, tmp_path, command, content) -> None:
    file = tmp_path / "x.yaml"
    if content:
        file.write_text(content)
    assert run(monkeypatch, command, file) == 1
    assert capsys.readouterr().err.startswith("inventory-operator: ")


def test_wrong_words_end_with_2(monkeypatch) -> None:
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "check")
    assert ended.value.code == 2


def test_without_a_command_it_runs(monkeypatch) -> None:
    words = cli.arguments(["--namespace", "shop", "--http-port", "1234"])
    assert words.command == "run"
    settings = cli.settings(words)
    assert (settings.namespace, settings.http_port, settings.clusterwide) == ("shop", 1234, False)
    assert cli.settings(cli.arguments([])).clusterwide


def test_a_flag_wins_over_its_environment_variable_and_that_over_the_default(monkeypatch) -> None:
    monkeypatch.setenv("INVENTORY_HTTP_PORT", "4321")
    monkeypatch.setenv("INVENTORY_KUBELET_INSECURE_SKIP_VERIFY", "true")
    found = cli.settings(cli.arguments([]))
    assert (found.http_port, found.kubelet_insecure_skip_verify) == (4321, True)
    found = cli.settings(cli.arguments(["--http-port", "1", "--no-kubelet-insecure-skip-verify"]))
    assert (found.http_port, found.kubelet_insecure_skip_verify) == (1, False)
