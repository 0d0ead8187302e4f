"""The folder of templates, read once, and the filling in of one template; the only importer of jinja2.

No value gets into the text of a manifest, so no value can change its structure.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Undefined, pass_context

from inventory_operator.api import metadata as meta
from inventory_operator.api import quantities

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Template
    from jinja2.runtime import Context

#: What templates see of the metadata besides `names`, `pod_labels` and `selector`.
_GLOBALS = (
    "COMPONENT_LABEL",
    "GENERATE_ANNOTATION",
    "KUBELET_CLUSTER_ROLE",
    "OPERATOR_METRICS",
    "REPLICA_LABEL",
    "STACK_LABEL",
)
#: What JSON allows inside a string, and YAML folds or refuses.
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff]")
_HOLE = re.compile(r"__hole_(\d+)__")
_JSON = json.JSONEncoder(ensure_ascii=False)


class TemplateError(Exception):
    """A template of ours is wrong: nobody's spec can cause it."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One key of a component's ConfigMap: a template, or text as it is."""

    key: str
    content: Template | str
    restarts: bool

    def text(self, context: Mapping[str, Any]) -> str:
        """Return the content for one stack; nothing but white space means that there is no such file."""
        return self.content if isinstance(self.content, str) else self.content.render(context)


@dataclass(frozen=True, slots=True)
class Component:
    """One folder of templates."""

    name: str
    children: tuple[Template, ...]
    config: tuple[ConfigFile, ...]

    @property
    def secrets(self) -> tuple[Template, ...]:
        """The templates of its Secrets."""
        return tuple(child for child in self.children if str(child.name).endswith("/secret.yaml.j2"))


@dataclass(frozen=True, slots=True)
class _Hole:
    """The place of one expression in a parsed manifest."""

    index: int


def manifests(template: Template, context: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the objects that a template describes: one for each YAML document, none when it renders to nothing.

    The text holds a numbered hole for every expression, never a value: it differs only by which branches were taken,
    so parsing it is remembered, and no string from a spec can become structure.
    """
    holes: list[Any] = []
    text = template.render(context, holes=holes)
    try:
        return [_fill(tree, holes) for tree in _parse(text)]
    except (yaml.YAMLError, TemplateError) as error:
        raise TemplateError(f"{template.name}: {error}") from error


@lru_cache(maxsize=1024)
def _parse(text: str) -> list[Any]:
    trees = [tree for tree in yaml.load_all(text, Loader=yaml.CSafeLoader) if tree is not None]
    for tree in trees:
        if not isinstance(tree, dict) or not {"apiVersion", "kind", "metadata"} <= tree.keys():
            raise TemplateError("expected one object for each document, with apiVersion, kind and metadata")
    return [_find_holes(tree) for tree in trees]


def _find_holes(node: Any) -> Any:
    if isinstance(node, dict):
        return {_find_holes(key): _find_holes(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_find_holes(item) for item in node]
    if isinstance(node, str) and _HOLE.search(node):
        whole = _HOLE.fullmatch(node)
        if not whole:
            raise TemplateError(f"one expression is one value, not a part of one: {node!r}")
        return _Hole(int(whole[1]))
    return _plain(node)


def _fill(node: Any, holes: list[Any]) -> Any:
    if isinstance(node, dict):
        return {_fill(key, holes): _fill(value, holes) for key, value in node.items()}
    if isinstance(node, list):
        return [_fill(item, holes) for item in node]
    return holes[node.index] if isinstance(node, _Hole) else node


def _plain(value: Any) -> Any:
    """Return a copy of a value that is JSON without nulls, which server-side apply does not want; or raise."""
    if isinstance(value, str | bool | int):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Undefined):
        str(value)  # raises, and names what is undefined
    raise TemplateError(f"{value!r} has no place in a manifest")


@pass_context
def _leave_hole(context: Context, value: Any) -> str:
    holes = context["holes"]
    holes.append(_plain(value))
    return f"__hole_{len(holes) - 1}__"


@pass_context
def _to_json(_context: Context, value: Any) -> str:
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", _JSON.encode(_plain(value)))


def _environment(finalize: Any) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_root()),
        undefined=StrictUndefined,
        finalize=finalize,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - the output is no HTML, and values never meet its syntax
    )
    environment.filters |= {
        "quantity": lambda text: format(quantities.quantity(text).normalize(), "f"),
        "bytes": quantities.quantity_bytes,
        "seconds": quantities.duration_seconds,
        "budget": quantities.budget,
        "bucket": quantities.bucket,
        "pod_pattern": meta.pod_pattern,
    }
    environment.globals |= {name: getattr(meta, name) for name in _GLOBALS}
    return environment


def _root() -> Path:
    """Return the folder of templates: at the top of the package when installed, else that of the repository."""
    package = Path(__file__).parents[1]
    installed = package / "templates"
    return installed if installed.is_dir() else package.parents[1] / "templates"


@cache
def registry() -> tuple[Component, ...]:
    """Read every template once: `<component>/<kind>.yaml.j2` is a kind of child, `<component>/config/` its ConfigMap.

    A file of `config/restart/` needs a restart of the pod to be read again; one of `config/reload/` does not.
    """
    root, manifests, texts = _root(), _environment(_leave_hole), _environment(_to_json)

    def template(environment: Environment, file: Path) -> Template:
        found = environment.get_template(file.relative_to(root).as_posix())
        # Each rendering copies them, and jinja2's chain of two mappings is slow to copy.
        found.globals = dict(found.globals)
        return found

    def config(file: Path) -> ConfigFile:
        content = template(texts, file) if file.suffix == ".j2" else file.read_text("utf-8")
        return ConfigFile(file.name.removesuffix(".j2"), content, restarts=file.parent.name == "restart")

    def read(folder: Path) -> Component:
        children = [template(manifests, file) for file in sorted(folder.glob("*.yaml.j2"))]
        files = [
            config(file) for kind in ("reload", "restart") for file in sorted((folder / "config" / kind).glob("*"))
        ]
        return Component(folder.name, tuple(children), tuple(files))

    return tuple(read(folder) for folder in sorted(root.iterdir()) if folder.is_dir())
