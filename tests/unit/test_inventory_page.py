"""What the pages say of `kubectl inventory` is there: commands, options, facts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click
import pytest
import yaml
from tests.framework.documents import blocks, pages
from tests.framework.rendered import ROOT

from inventory_cli import app
from inventory_cli.facts import Facts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = ROOT / "docs/kubectl-inventory.md"


def calls(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the command and its options of each call in a page."""
    shell = [block.text for block in blocks(page) if block.is_shell]
    text = "\n".join([*shell, *re.findall(r"`([^`\n]+)`", page.read_text("utf-8"))])
    for name, rest in re.findall(r"\b(?:kubectl inventory|^inventory) ([a-z]+)([^#\n|]*)", text, re.MULTILINE):
        yield name, re.findall(r"(?<!\S)(--?[a-z][a-z-]*)", rest)


def options(name: str) -> set[str]:
    found = app.app.get_command(click.Context(app.app), name)
    assert found, name
    return {
        "--help",
        "-h",
        *(option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)),
    }


@pytest.mark.parametrize("page", [page for page in pages() if list(calls(page))], ids=lambda page: page.name)
def test_commands_and_options_exist(page: Path) -> None:
    for name, given in calls(page):
        assert name in app.COMMANDS
        assert set(given) <= options(name), name


def test_the_example_of_facts_is_one() -> None:
    (block,) = [block for block in blocks(PAGE) if block.language == "yaml"]
    assert Facts.model_validate(yaml.safe_load(block.text)).allowed_ingress_hosts == ("example.com",)


def test_the_page_has_every_command_and_every_fact() -> None:
    text = PAGE.read_text("utf-8")
    assert [name for name in app.COMMANDS if f"\n| `{name}` |" not in text] == []
    assert {name for name, _ in calls(PAGE)} == set(app.COMMANDS)
    assert [field.alias for field in Facts.model_fields.values() if f"`{field.alias}`" not in text] == []
