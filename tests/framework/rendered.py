"""What templates make of the examples and of the golden inputs; shared by the golden, contract and unit tests.

Inputs are read and rendered once: no test changes what `inputs` and `sets` return.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from inventory_operator.api import metadata as meta
from inventory_operator.api import stack as api_stack
from inventory_operator.manifests import render

ROOT = Path(__file__).parents[2]
INPUTS = render.RenderInputs(
    service_image="docker.io/inventorystack/inventory-service:0.1.0",
    operator_namespace="inventory-system",
    namespace_uid="00000000-0000-0000-0000-00000000000a",
    secret_digests={"service": "digest-of-the-database-url"},
)


@cache
def inputs() -> dict[str, dict[str, Any]]:
    """Return every stack that is rendered in tests, by a name that says where it comes from."""
    files = [*sorted((ROOT / "examples").glob("*.yaml")), *sorted((ROOT / "tests/golden/inputs").glob("*.yaml"))]
    found = {"default": {"metadata": {"name": "shop", "namespace": "shop"}, "spec": {}}}
    for file in files:
        objects = yaml.load_all(file.read_text("utf-8"), Loader=yaml.CSafeLoader)
        stacks = [obj for obj in objects if obj and obj["kind"] == meta.KIND]
        found |= {f"{file.parent.name}-{file.stem}" + (f"-{n}" if n else ""): obj for n, obj in enumerate(stacks)}
    return found


def stack_of(raw: dict[str, Any]) -> meta.Stack:
    metadata = raw["metadata"]
    return meta.Stack(metadata.get("namespace", "default"), metadata["name"], "00000000-0000-0000-0000-00000000000b")


def rendered(raw: dict[str, Any], inputs: render.RenderInputs = INPUTS) -> list[dict[str, Any]]:
    return render.render(stack_of(raw), api_stack.parse(raw), inputs)


def stack(name: str = "shop", **fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": fields}


@cache
def sets() -> dict[str, list[dict[str, Any]]]:
    """Return what each input is rendered to."""
    return {name: rendered(raw) for name, raw in inputs().items()}


def one(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = [obj for obj in objects if (obj["kind"], obj["metadata"]["name"]) == (kind, name)]
    return found
