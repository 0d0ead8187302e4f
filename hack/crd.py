"""Write crds/inventorystacks.yaml from the models of the API; with --check, say whether it is in step.

What no model knows, such as names and printer columns, is in crd_frame.yaml. Run as `python hack/crd.py`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic.json_schema import GenerateJsonSchema

from generated import write_or_check
from inventory_operator.api.markers import NOT_STORED
from inventory_operator.api.stack import Spec
from inventory_operator.api.status import Status

if TYPE_CHECKING:
    from pydantic import BaseModel

ROOT = Path(__file__).parents[1]
CRD = ROOT / "crds" / "inventorystacks.yaml"
FRAME = ROOT / "hack" / "crd_frame.yaml"
WIDTH = 120
#: Longer sentences and rules are blocks of several lines.
_LONG = 80

Node = dict[str, Any]

#: The keywords of a structural schema that the models use, in the order in which they are written.
_KEYWORDS = (
    *("description", "type", "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"),
    *("x-kubernetes-map-type", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "format", "enum"),
    *("minLength", "maxLength", "pattern", "minimum", "maximum", "minItems", "maxItems", "maxProperties"),
    *("default", "example", "required", "x-kubernetes-validations", "properties", "items", "additionalProperties"),
)
#: Keywords of pydantic that a structural schema has no place for, or that are written in another way.
_DROPPED = {"title", "$defs", "propertyNames", "patternProperties", NOT_STORED}


class _Unsorted(GenerateJsonSchema):
    """Keeps fields and examples in the order of the source."""

    def sort(self, value: Any, parent_key: str | None = None) -> Any:  # noqa: ARG002 - pydantic's signature
        return value


class _Model:
    """The structural schema of one model (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources)."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._whole = model.model_json_schema(schema_generator=_Unsorted)

    def schema(self) -> Node:
        """Return the schema of the whole model."""
        return self._structural(self._whole, None, None)

    def _inlined(self, node: Node) -> Node:
        """Replace references by what they refer to, and `X | None` by X; keywords beside them win."""
        if "$ref" in node:
            target = self._whole["$defs"][node["$ref"].rpartition("/")[2]]
        elif "anyOf" in node:
            (target,) = [choice for choice in node["anyOf"] if choice != {"type": "null"}]
        else:
            return node
        return self._inlined(target | {key: value for key, value in node.items() if key not in {"$ref", "anyOf"}})

    def _structural(self, node: Node, default: Any, example: Any) -> Node:
        """Return the schema of one field; `default` and `example` are its parts of those of the object around it."""
        node = self._inlined(node)
        found = {key: value for key, value in node.items() if key not in _DROPPED}
        own = found.pop("default", None)
        default = None if node.get(NOT_STORED) else own if default is None else default
        if example is not None:
            found.setdefault("example", example)
        if node.get("type") == "object":
            found.pop("additionalProperties", None)
            found |= self._object(node, default, found.get("example"))
        elif node.get("type") == "array":
            first = found["example"][0] if "properties" in self._inlined(node["items"]) else None
            found = {"x-kubernetes-list-type": "atomic"} | found
            found["items"] = self._structural(node["items"], None, first)
        if default is not None:
            # Each field of an object has its own default: the API server fills in those that are left out.
            found["default"] = {} if "properties" in node else default
        if not found.get("required"):
            found.pop("required", None)
        return _ordered(found)

    def _object(self, node: Node, default: Any, example: Any) -> Node:
        """Return the keywords of a map, or of an object with its fields."""
        if "x-kubernetes-preserve-unknown-fields" in node:
            return {}
        if "properties" not in node:
            values = node.get("additionalProperties") or next(iter(node["patternProperties"].values()))
            return {"additionalProperties": self._structural(values, None, None)}
        fields = {
            name: self._structural(field, (default or {}).get(name), (example or {}).get(name))
            for name, field in node["properties"].items()
        }
        return {
            "properties": fields,
            "required": [name for name in node.get("required", ()) if "default" not in fields[name]],
        }


def _ordered(schema: Node) -> Node:
    """Return the schema with its keywords in order; ValueError for a keyword that has no place in one."""
    return dict(sorted(schema.items(), key=lambda item: _KEYWORDS.index(item[0])))


class _OneLine:
    """A value that is written on one line, as far as it fits."""

    def __init__(self, value: Any) -> None:
        self.value = value


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    folded = " " in text and len(text) > _LONG
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=">" if folded else None)


def _list(dumper: yaml.SafeDumper, entries: list[Any]) -> yaml.Node:
    scalars = not any(isinstance(entry, dict) for entry in entries)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", entries, flow_style=scalars)


def _one_line(dumper: yaml.SafeDumper, data: _OneLine) -> yaml.Node:
    node = dumper.represent_data(data.value)
    if isinstance(node, yaml.CollectionNode):
        node.flow_style = True
    return node


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)
_Dumper.add_representer(_OneLine, _one_line)


def _readable(schema: Node) -> Node:
    """Return the schema with its defaults and examples on one line."""
    found = schema | {key: _OneLine(schema[key]) for key in ("default", "example") if key in schema}
    for key in ("items", "additionalProperties"):
        if key in schema:
            found[key] = _readable(schema[key])
    if "properties" in schema:
        found["properties"] = {name: _readable(field) for name, field in schema["properties"].items()}
    return found


def text() -> str:
    """Return the file as it should be; the comment is that of the frame."""
    frame = FRAME.read_text("utf-8")
    crd: Node = yaml.safe_load(frame)
    version = crd["spec"]["versions"][0]["schema"]
    properties = version["openAPIV3Schema"]["properties"]
    for name, model in (("spec", Spec), ("status", Status)):
        properties[name] = _ordered(_Model(model).schema() | properties[name])
    version["openAPIV3Schema"] = _readable(version["openAPIV3Schema"])
    comment = frame[: frame.index("apiVersion:")]
    return comment + yaml.dump(crd, Dumper=_Dumper, sort_keys=False, width=WIDTH, allow_unicode=True)


if __name__ == "__main__":
    sys.exit(write_or_check(CRD, text(), "models", sys.argv[1:]))
