"""`kubectl inventory validate` and `render`: what they print, for people and for programs, and how they end."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.framework.kubectl_inventory import inventory
from tests.framework.rendered import INPUTS, ROOT, inputs, rendered, stack_of

from inventory_cli import app

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
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
#: What the rendered goldens are made with, as a person would write it down.
FACTS = {
    "serviceImage": INPUTS.service_image,
    "operatorNamespace": INPUTS.operator_namespace,
    "namespaceUid": INPUTS.namespace_uid,
    "stackUid": stack_of({"metadata": {"name": "any"}}).uid,
    "allowKubeletMetrics": True,
    "secretDigests": INPUTS.secret_digests,
}


def written(tmp_path: Path, content: Any, name: str = "stack.yaml") -> Path:
    file = tmp_path / name
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return file


def stack(**spec: Any) -> dict[str, Any]:
    kind = {"apiVersion": "inventorystack.dev/v1alpha1", "kind": "InventoryStack"}
    return kind | {"metadata": {"name": "shop", "namespace": "shop"}, "spec": spec}


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    return written(tmp_path, BAD, "bad.yaml")


def test_every_example_is_valid(capsys) -> None:
    ended = inventory(capsys, "validate", "-f", *EXAMPLES)
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert len(lines) >= len(EXAMPLES)
    assert all(line.endswith(": ok") for line in lines)


def test_every_error_has_its_path(capsys, bad) -> None:
    ended = inventory(capsys, "validate", "-f", EXAMPLES[0], "-f", bad)
    assert ended.code == 1
    assert f"{bad}: bad: spec.prometheus.retention: expected a duration" in ended.out
    assert f"{bad}: bad: spec.service.replicas: " in ended.out
    assert f"{EXAMPLES[0]}: " in ended.out
    assert "unrelated" not in ended.out


@pytest.mark.parametrize(("form", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_validate_prints_data_for_programs(capsys, bad, form, load) -> None:
    ended = inventory(capsys, "validate", "-o", form, "-f", EXAMPLES[0], bad)
    assert ended.code == 1
    good, found = load(ended.out)
    assert good["problems"] == []
    assert found["name"] == "bad"
    assert {problem["path"] for problem in found["problems"]} == {"spec.prometheus.retention", "spec.service.replicas"}
    assert {problem["reason"] for problem in found["problems"]} == {"InvalidSpec"}


def test_another_version_of_the_api_is_a_problem(capsys, tmp_path) -> None:
    file = written(tmp_path, stack() | {"apiVersion": "inventorystack.dev/v9"})
    ended = inventory(capsys, "validate", "-f", file)
    assert ended.code == 1
    assert "apiVersion: expected inventorystack.dev/v1alpha1, got 'inventorystack.dev/v9'" in ended.out


def test_what_the_operators_settings_do_not_permit_is_told_where_they_are_known(capsys, tmp_path) -> None:
    ingress = {"className": "nginx", "hosts": {"service": "shop.example.com"}}
    file = written(tmp_path, stack(ingress=ingress, containerMetrics="kubelet"))
    assert inventory(capsys, "validate", "-f", file).code == 0
    closed = written(tmp_path, {"allowedIngressHosts": ["example.org"]}, "closed.yaml")
    ended = inventory(capsys, "validate", "-f", file, "--facts", closed, "-o", "json")
    (found,) = json.loads(ended.out)
    assert ended.code == 1
    assert {problem["reason"] for problem in found["problems"]} == {"NotPermitted"}
    said = " ".join(problem["message"] for problem in found["problems"])
    assert "INVENTORY_ALLOWED_INGRESS_HOSTS allows example.org" in said
    assert "INVENTORY_ALLOW_KUBELET_METRICS is false" in said
    settings = {"allowedIngressHosts": ["*"], "allowedIngressClasses": ["nginx"], "allowKubeletMetrics": True}
    opened = written(tmp_path, settings, "opened.yaml")
    assert inventory(capsys, "validate", "-f", file, "--facts", opened).code == 0


@pytest.mark.parametrize("name", [name for name in inputs() if name != "default"])
def test_render_with_the_same_facts_is_what_the_operator_makes(capsys, tmp_path, name) -> None:
    kind = {"apiVersion": "inventorystack.dev/v1alpha1", "kind": "InventoryStack"}
    file = written(tmp_path, kind | inputs()[name])
    ended = inventory(capsys, "render", "-f", file, "--facts", written(tmp_path, FACTS, "facts.yaml"), "-o", "json")
    assert ended.code == 0
    expected = rendered(inputs()[name])
    if inputs()[name].get("spec", {}).get("containerMetrics") != "none":
        assert json.loads(ended.out)["items"] == expected


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_render_prints_the_same_objects_as_yaml_and_json(capsys, file) -> None:
    objects = list(yaml.load_all(inventory(capsys, "render", "-f", file).out, Loader=yaml.CSafeLoader))
    shown = json.loads(inventory(capsys, "render", "-o", "json", "-f", file).out)
    assert shown["kind"] == "List"
    assert shown["items"] == objects
    assert {"Deployment", "Service", "ConfigMap"} <= {obj["kind"] for obj in objects}


def test_render_takes_the_namespace_from_the_file_before_the_flag(capsys, tmp_path) -> None:
    for metadata, expected in ({"name": "a"}, "flag"), ({"name": "a", "namespace": "own"}, "own"):
        file = written(tmp_path, stack() | {"metadata": metadata})
        ended = inventory(capsys, "render", "-n", "flag", "-f", file, "-o", "json")
        assert {obj["metadata"].get("namespace") for obj in json.loads(ended.out)["items"]} == {expected}


def test_render_of_an_invalid_stack_prints_nothing_but_the_reason(capsys, bad) -> None:
    ended = inventory(capsys, "render", "-f", bad)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"error: {bad}: bad: spec.prometheus.retention: expected a duration")
    assert "and 1 more: kubectl inventory validate" in ended.err


@pytest.mark.parametrize("command", ["validate", "render"])
@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (None, 2, "does not exist"),
        ("a: [unclosed", 1, "is not valid YAML"),
        ("a: 1", 1, "no InventoryStack found"),
        ("kind: InventoryStack\nmetadata: none\n", 1, "apiVersion: expected inventorystack.dev/v1alpha1, got 'None'"),
    ],
)
def test_a_file_that_can_not_be_used_is_one_sentence(capsys, tmp_path, command, content, code, words) -> None:
    file = tmp_path / "x.yaml"
    if content:
        file.write_text(content)
    ended = inventory(capsys, command, "-f", file)
    assert ended.code == code
    assert words in ended.err + ended.out
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("content", "words"),
    [("image: x", "image: extra inputs"), ("[]", "the file: "), ("stackUid: 1", "stackUid: "), ("a: [", "not valid")],
)
def test_facts_that_are_none_are_named(capsys, tmp_path, content, words) -> None:
    ended = inventory(capsys, "render", "-f", EXAMPLES[0], "--facts", written(tmp_path, content, "facts.yaml"))
    assert (ended.code, ended.out) == (1, "")
    assert words in ended.err


def test_standard_input_and_lists_of_kubectl_are_read(capsys, monkeypatch) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [stack(), stack()]}
    monkeypatch.setattr("sys.stdin", io.StringIO(yaml.safe_dump(listed)))
    ended = inventory(capsys, "validate", "-f", "-")
    assert (ended.code, ended.out) == (0, "-: shop: ok\n" * 2)


@pytest.mark.parametrize("words", [["validate"], ["render", "-o", "table"], ["no-such-command"], ["--no-such-flag"]])
def test_wrong_words_end_with_2(capsys, words) -> None:
    assert inventory(capsys, *words).code == 2


@pytest.mark.parametrize("name", app.COMMANDS)
def test_each_command_has_a_help_with_examples(capsys, name) -> None:
    ended = inventory(capsys, name, "--help")
    assert ended.code == 0
    assert f"  kubectl inventory {name}" in ended.out.partition("Examples:")[2]


def test_the_help_names_each_command(capsys) -> None:
    ended = inventory(capsys, "--help")
    assert ended.code == 0
    assert [name for name in app.COMMANDS if f"  {name} " not in ended.out] == []


def test_kubectl_completes_commands_options_and_files(capsys) -> None:
    def completed(*words: str) -> list[str]:
        assert app.complete(list(words)) == 0
        return capsys.readouterr().out.splitlines()

    *found, directive = completed("val")
    assert [line.partition("\t")[0] for line in found] == ["validate"]
    assert directive == ":4"
    *found, directive = completed("render", "--na")
    assert [line.partition("\t")[0] for line in found] == ["--namespace"]
    assert completed("render", "-f", "")[-1] == ":0"
    assert completed()[-1] == ":4"
