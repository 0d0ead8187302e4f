"""The template language: a mistake in a template is an error at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from jinja2 import UndefinedError
from tests.framework.rendered import INPUTS, ROOT, stack

from inventory_operator.api import metadata as meta
from inventory_operator.api.stack import parse
from inventory_operator.manifests import render, templates

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ names.service }}\n"
Render = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def render_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Render:
    """Render a folder of templates that holds nothing but what is given."""

    def run(**files: str) -> list[dict[str, Any]]:
        for name, text in files.items():
            file = tmp_path / "service" / name.replace("__", "/").replace("_", ".")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
        return render.render(meta.Stack("shop", "shop", "uid"), parse(stack()), INPUTS)

    monkeypatch.setattr(templates, "_root", lambda: tmp_path)
    templates.registry.cache_clear()
    yield run
    templates.registry.cache_clear()


def test_a_new_file_is_a_new_child(render_template: Render) -> None:
    (child,) = render_template(service_yaml_j2=HEAD)
    assert child["metadata"]["name"] == "shop-inventory"
    assert child["metadata"]["ownerReferences"][0]["kind"] == "InventoryStack"


def test_a_file_of_configuration_is_a_key(render_template: Render) -> None:
    files = {"config__reload__a_txt": "{{ verbatim }}", "config__restart__b_yaml_j2": "x: {{ stack.name }}\n"}
    config_map, _service = render_template(service_yaml_j2=HEAD, **files)
    assert config_map["data"] == {"a.txt": "{{ verbatim }}", "b.yaml": 'x: "shop"\n'}


def test_nothing_rendered_nothing_made(render_template: Render) -> None:
    text = "{% if spec.paused %}\n" + HEAD + "{% endif %}\n"
    assert render_template(service_yaml_j2=text, config__reload__a_txt="left over") == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("x: a-{{ stack.name }}", "one expression is one value"),
        ("x: {{ spec.service.image }}", "None has no place"),
        ("x:", "None has no place"),
        ("x: {{ spec.service }}", "has no place"),
        ("x: 1.5", "1.5 has no place"),
        ("x: [", "while parsing"),
    ],
)
def test_mistakes_are_named(line: str, reason: str, render_template: Render) -> None:
    with pytest.raises(templates.TemplateError, match=reason):
        render_template(service_yaml_j2=HEAD + line + "\n")


def test_one_file_may_hold_several_objects(render_template: Render) -> None:
    text = """{% for name in ["a", "b"] %}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ name }}
{% endfor %}
"""
    assert [obj["metadata"]["name"] for obj in render_template(service_yaml_j2=text)] == ["a", "b"]


@pytest.mark.parametrize("text", ["- a list", "just text", "kind: Service"])
def test_only_objects(text: str, render_template: Render) -> None:
    with pytest.raises(templates.TemplateError, match=r"service/service\.yaml\.j2: expected one object"):
        render_template(service_yaml_j2=text)


@pytest.mark.parametrize("where", ["service_yaml_j2", "config__reload__a_yaml_j2"])
def test_a_misspelt_name_is_an_error(where: str, render_template: Render) -> None:
    files = {"service_yaml_j2": HEAD} | {where: HEAD + "x: {{ spec.service.imgae }}\n"}
    with pytest.raises(UndefinedError, match="imgae"):
        render_template(**files)


def test_every_file_of_templates_is_used() -> None:
    """A file in the wrong place would be left out without a word."""
    files = {
        file.relative_to(ROOT / "templates").as_posix() for file in (ROOT / "templates").rglob("*") if file.is_file()
    }
    used = {
        str(template.name)
        for component in templates.registry()
        for template in (*component.children, *(file.content for file in component.config))
        if not isinstance(template, str)
    }
    verbatim = {
        f"{component.name}/config/{'restart' if file.restarts else 'reload'}/{file.key}"
        for component in templates.registry()
        for file in component.config
        if isinstance(file.content, str)
    }
    texts = [file.read_text("utf-8") for file in (ROOT / "templates").rglob("*.j2")]
    included = {name for text in texts for name in re.findall(r'{% include "(.+)" %}', text)}
    assert files == used | verbatim | included


@pytest.mark.parametrize("file", sorted((ROOT / "templates").rglob("*.yaml.j2")), ids=lambda file: str(file.name))
def test_braces_of_other_languages_are_in_verbatim_files(file: Path) -> None:
    assert "$labels" not in file.read_text("utf-8")
