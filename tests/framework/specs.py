"""Valid and invalid specs for the tests of parser, schema and operator, with the paths to be named.

Schema and cases are read once: no test changes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CRD_FILE = ROOT / "crds" / "inventorystacks.yaml"
_DATA = ROOT / "tests" / "integration"

#: What is tried in every text field. An annotation's value may hold all but what can't be printed.
ATTACKS = {
    "newline and YAML": "x\nkind: ClusterRoleBinding",
    "template": "{{ names.grafana }}",
    "variable": "${HOME}",
    "double quotes": 'x", "hostNetwork": "true',
    "single quotes": "x': y'",
    "NUL": "x\0y",
    "trailing newline": "shop\n",
    "very long": "a" * 5000,
    "right to left": "shop\u202egrafana",
}
_PRINTABLE = {"template", "variable", "double quotes", "single quotes"}


@dataclass(frozen=True)
class Case:
    """One custom resource, and for an invalid one: the path to be named and who refuses it."""

    name: str
    stack: dict[str, Any]
    path: str = ""
    by: str = ""

    def __str__(self) -> str:
        return self.name


@cache
def schema() -> dict[str, Any]:
    """Return the OpenAPI schema of the custom resource."""
    crd = yaml.load(CRD_FILE.read_text(), Loader=yaml.CSafeLoader)
    found: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def stack(spec: Any = None, name: str = "shop") -> dict[str, Any]:
    """Return a custom resource; without a spec when it is None."""
    return {
        "apiVersion": "inventorystack.dev/v1alpha1",
        "kind": "InventoryStack",
        "metadata": {"name": name},
        **({} if spec is None else {"spec": spec}),
    }


@cache
def _load(file: str) -> list[Case]:
    entries = yaml.load((_DATA / file).read_text(), Loader=yaml.CSafeLoader)
    return [
        Case(
            entry["name"],
            stack(entry.get("spec"), entry.get("metadata", {}).get("name", "shop")),
            entry.get("path", ""),
            entry.get("by", ""),
        )
        for entry in entries
    ]


def valid() -> list[Case]:
    """Return the specs that are accepted."""
    return _load("valid_specs.yaml")


def invalid() -> list[Case]:
    """Return the specs that are refused, injections through every text field among them."""
    return _load("invalid_specs.yaml") + injections()


@cache
def injections() -> list[Case]:
    """Return one case for each text field of the schema and each attack, and for each kind of key and attack."""
    cases = []
    for path in text_fields(schema()["properties"]["spec"], ("spec",)):
        for attack, text in ATTACKS.items():
            if path[-2] in {"annotations", "podAnnotations"} and attack in _PRINTABLE:
                continue
            cases.append(_injection(path, f"{attack} in {'.'.join(path)}", text))
    placement = [("spec", "placement", name) for name in ("nodeSelector", "podLabels", "podAnnotations")]
    for path in (("spec", "ingress", "annotations"), ("spec", "prometheus", "externalLabels"), *placement):
        for attack, text in ATTACKS.items():
            cases.append(_injection(path, f"{attack} as key of {'.'.join(path)}", {text: "x"}))
    cases += [
        Case(f"{attack} in metadata.name", stack({}, text), "metadata.name", "cel") for attack, text in ATTACKS.items()
    ]
    return cases


def _injection(path: tuple[str, ...], name: str, value: Any) -> Case:
    """Return a case with `value` at `path`; `[]` in it is the one entry of a list."""
    whole = _around(schema()["properties"]["spec"], path[1:], value)
    if "rateLimitStore" in path:
        whole["service"]["rateLimit"] = "100/minute"
    if "escalation" in path:
        whole["alerting"]["receivers"] = {"slack": {"secretKeyRef": {"name": "a"}}}
    return Case(name, stack(whole), ".".join(path).replace(".[]", "[0]"), "schema")


def _around(node: dict[str, Any], path: tuple[str, ...], value: Any) -> Any:
    """Return the smallest object with `value` at `path` and the examples of the required fields beside it."""
    if not path:
        return value
    if path[0] == "[]":
        return [_around(node["items"], path[1:], value)]
    child = node.get("properties", {}).get(path[0]) or node["additionalProperties"]
    needed = {name: node["properties"][name]["example"] for name in node.get("required", ())}
    return needed | {path[0]: _around(child, path[1:], value)}


def text_fields(node: dict[str, Any], path: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the paths of all fields that take text; `a` is a value of a map, `[]` the entry of a list."""
    if "properties" in node:
        return [found for name, child in node["properties"].items() for found in text_fields(child, (*path, name))]
    if "additionalProperties" in node:
        return text_fields(node["additionalProperties"], (*path, "a"))
    if "items" in node:
        return text_fields(node["items"], (*path, "[]"))
    takes_text = node.get("type") == "string" or node.get("x-kubernetes-int-or-string")
    return [path] if takes_text else []


def rules(node: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all rules in CEL, wherever they are in the schema."""
    children = [*node.get("properties", {}).values(), *(node[key] for key in ("items",) if key in node)]
    return [*node.get("x-kubernetes-validations", []), *(rule for child in children for rule in rules(child))]
