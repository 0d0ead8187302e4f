"""Write docs/reference.md, the page of all fields, from the schema; with --check, say whether it is up to date.

Run as `python3 hack/reference.py`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from generated import write_or_check

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
CRD = ROOT / "crds" / "inventorystacks.yaml"
PAGE = ROOT / "docs" / "reference.md"

_HEAD = """# Reference: every field of an InventoryStack

Made from [crds/inventorystacks.yaml](../crds/inventorystacks.yaml) by `make golden`; do not edit.
`kubectl explain invstack.spec --recursive` shows the same. Complete stacks are in [examples](../examples/README.md).
"""


def page() -> str:
    """Return the page as it should be."""
    version = yaml.safe_load(CRD.read_text("utf-8"))["spec"]["versions"][0]
    properties = version["schema"]["openAPIV3Schema"]["properties"]
    return "\n".join([_HEAD, *_section("spec", properties["spec"]), *_section("status", properties["status"])]) + "\n"


def _section(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"## {name}\n\n{schema['description']}\n"
    yield "| field | type | default | allowed | example | meaning |"
    yield "|---|---|---|---|---|---|"
    yield from _rows(name, schema)
    yield ""
    rules = list(_rules(name, schema))
    if rules:
        yield "What must hold besides:\n"
        yield from rules
        yield ""


def _rows(path: str, schema: dict[str, Any]) -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}" if field.get("type") != "array" else f"{path}.{name}[]"
        required = " (required)" if name in schema.get("required", []) else ""
        cells = [
            f"`{here}`",
            _type(field) + required,
            _code(field["default"]) if "default" in field else "",
            _allowed(field),
            _code(field["example"]),
            field["description"].replace("|", "\\|"),
        ]
        yield f"| {' | '.join(cells)} |"
        yield from _rows(here, field.get("items", field))


def _rules(path: str, schema: dict[str, Any]) -> Iterator[str]:
    for rule in schema.get("x-kubernetes-validations", []):
        yield f"- `{path}{rule.get('fieldPath', '')}`: {' '.join(rule['message'].split())}"
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        yield from _rules(here, field)
        yield from _rules(f"{here}[]", field.get("items", {}))


def _type(field: dict[str, Any]) -> str:
    if field.get("x-kubernetes-int-or-string"):
        return "quantity"
    if "additionalProperties" in field:
        return f"map of {field['additionalProperties']['type']}"
    if field["type"] == "array":
        return f"list of {field['items']['type']}"
    return str(field["type"])


def _allowed(field: dict[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(_code(value) for value in field["enum"])
    if "maximum" in field:
        return f"{field['minimum']} to {field['maximum']}"
    if "enum" in field.get("items", {}):
        return _allowed(field["items"])
    most = field.get("maxProperties") or field.get("maxItems")
    return f"at most {most} entries" if most else ""


def _code(value: object) -> str:
    return f"`{value if isinstance(value, str) else json.dumps(value)}`".replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, page(), "schema", sys.argv[1:]))
