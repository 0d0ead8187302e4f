"""The schema is made from the models, is complete for those who read it, and its defaults and examples work."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from tests.framework import specs

import crd
import reference
from inventory_operator.api.stack import parse
from inventory_operator.version import __version__

LIMIT_BYTES = 200_000
Node = dict[str, Any]


def crd_fields(node: Node, path: str) -> dict[str, Node]:
    found = {path: node}
    for name, child in node.get("properties", {}).items():
        found |= crd_fields(child, f"{path}.{name}")
    if "items" in node:
        found |= crd_fields(node["items"], f"{path}[]")
    if "additionalProperties" in node:
        found[f"{path}.*"] = node["additionalProperties"]
    return found


CRD = crd_fields(specs.schema()["properties"]["spec"], "spec")
STATUS = crd_fields(specs.schema()["properties"]["status"], "status")


def defaulted(given: Node, node: Node) -> Node:
    """What the API server's structural defaulting makes of an object."""
    filled = copy.deepcopy(given)
    for name, child in node.get("properties", {}).items():
        if "default" in child:
            filled.setdefault(name, copy.deepcopy(child["default"]))
        if isinstance(filled.get(name), dict):
            filled[name] = defaulted(filled[name], child)
        if isinstance(filled.get(name), list) and "properties" in child["items"]:
            filled[name] = [defaulted(item, child["items"]) for item in filled[name]]
    return filled


def test_the_schema_is_in_step_with_the_models() -> None:
    assert crd.CRD.read_text("utf-8") == crd.text(), "run make golden"


def test_the_api_server_stores_the_defaults_of_the_parser() -> None:
    spec = parse(specs.stack()).model_dump(mode="json", by_alias=True, exclude_none=True)
    # Members of a union are no defaults of the schema; the parser settles them (design, section 8).
    assert spec["service"].pop("database") == {"sqlite": {"storage": {"size": "1Gi"}}}
    # A placement that is not there stores nothing: what is empty differs from what is not set.
    parts = [spec, *(spec[name] for name in ("service", "prometheus", "alerting", "grafana"))]
    assert [part.pop("placement") for part in parts] == [{}] * 5
    # Stored defaults of images would outlive an upgrade of the operator; the schema only speaks of them.
    for part in ("prometheus", "alerting", "grafana"):
        assert f"{spec[part].pop('image')}." in CRD[f"spec.{part}.image"]["description"]
    assert defaulted({}, specs.schema()["properties"]["spec"]) == spec


@pytest.mark.parametrize("case", specs.valid(), ids=str)
def test_defaulting_changes_no_meaning(case: specs.Case) -> None:
    full = defaulted(case.stack.get("spec", {}), specs.schema()["properties"]["spec"])
    assert parse(case.stack | {"spec": full}) == parse(case.stack)


def _is_described(path: str, fields: dict[str, Node]) -> bool:
    """A value of a map and a plain entry of a list are told of where the map or list is."""
    return not path.endswith(".*") and not (path.endswith("[]") and "properties" not in fields[path])


def test_every_field_is_described_with_an_example() -> None:
    for path, field in (CRD | STATUS).items():
        if _is_described(path, CRD | STATUS):
            assert field["description"].endswith((".", ")")), f"the description of {path} is a sentence"
            assert "example" in field, path


#: What else must be there for the example of one field to be a whole spec.
COMPANIONS = {
    "spec.service.rateLimitStore": {"service": {"rateLimit": "100/minute"}},
    "spec.alerting.escalation": {"alerting": {"receivers": {"pagerDuty": {"secretKeyRef": {"name": "pager"}}}}},
    "spec.alerting.receivers.email.": {
        "alerting": {"receivers": {"email": {"username": "shop", "secretKeyRef": {"name": "mail"}}}}
    },
    "spec.alerting.receivers": {"alerting": {"muteTimes": [{"name": "nights"}]}},
}


def _whole(node: Node, parts: list[str], value: Any) -> Any:
    """Return an object with `value` at a path, and the example of every required field beside it."""
    if not parts:
        return value
    name, rest = parts[0], parts[1:]
    if name == "[]":
        return [_whole(node["items"], rest, value)]
    needed = {field: node["properties"][field]["example"] for field in node.get("required", [])}
    return needed | {name: _whole(node["properties"][name], rest, value)}


def _merged(one: Any, other: Any) -> Any:
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return one
    return other | {name: _merged(value, other.get(name)) for name, value in one.items()}


@pytest.mark.parametrize("path", [path for path in sorted(CRD) if _is_described(path, CRD)])
def test_every_example_of_a_field_parses(path: str) -> None:
    parts = path.replace("[]", ".[]").split(".")
    spec = _whole(specs.schema()["properties"]["spec"], parts[1:], CRD[path]["example"])
    for start, companion in COMPANIONS.items():
        if path.startswith(start):
            spec = _merged(spec, companion)
    if "sqlite" not in parts and parts[1:2] == ["service"]:
        database = spec["service"].setdefault("database", {"external": {}})
        if "external" in database:
            database["external"].setdefault("secretKeyRef", {}).setdefault("name", "db")
    parse(specs.stack(spec))


@pytest.mark.parametrize("file", sorted((specs.ROOT / "examples").glob("*.yaml")), ids=lambda file: file.name)
def test_every_example_file_is_a_stack_without_a_namespace(file: Any) -> None:
    objects = [obj for obj in yaml.safe_load_all(file.read_text("utf-8")) if obj]
    stacks = [obj for obj in objects if obj["kind"] == "InventoryStack"]
    assert stacks
    assert all("namespace" not in obj["metadata"] for obj in objects)
    for stack in stacks:
        parse(stack)
    assert f"[{file.name}]({file.name})" in (file.parent / "README.md").read_text("utf-8")


def test_the_schema_is_small_enough_for_client_side_apply() -> None:
    assert specs.CRD_FILE.stat().st_size < LIMIT_BYTES


def test_every_text_and_map_is_bounded() -> None:
    """Rules in CEL are charged for the largest thing they might see."""
    for path, field in (CRD | STATUS).items():
        text = field.get("type") == "string" or field.get("x-kubernetes-int-or-string")
        if text and "enum" not in field and field.get("format") != "date-time":
            assert "maxLength" in field, path
        if "additionalProperties" in field:
            assert "maxProperties" in field, path
        if field.get("type") == "array":
            assert "maxItems" in field, path


def test_the_columns_show_fields_that_exist() -> None:
    version = yaml.safe_load(specs.CRD_FILE.read_text("utf-8"))["spec"]["versions"][0]
    columns = {column["name"]: column for column in version["additionalPrinterColumns"]}
    assert [name for name, column in columns.items() if not column.get("priority")] == [
        *("Ready", "Reason", "Targets", "Verified", "Age")
    ]
    for column in columns.values():
        path = column["jsonPath"].removeprefix(".").replace('conditions[?(@.type=="Ready")]', "conditions[]")
        assert path in STATUS or path == "metadata.creationTimestamp"


def test_annotations_never_outgrow_what_kubernetes_stores() -> None:
    annotations = CRD["spec.ingress.annotations"]
    assert annotations["maxProperties"] * (annotations["additionalProperties"]["maxLength"] + 317) < 256 * 1024


def test_the_status_example_names_this_version() -> None:
    assert CRD["spec.service.image"]["example"].endswith(f":{__version__}")
    assert STATUS["status.image"]["example"].endswith(f":{__version__}")


def test_the_reference_page_is_in_step_with_the_schema() -> None:
    assert reference.PAGE.read_text("utf-8") == reference.page(), "run make golden"
