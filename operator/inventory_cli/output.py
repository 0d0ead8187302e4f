"""What is printed: data for programs, text and tables for people. Text of others can't move a terminal's cursor."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
import yaml
from rich.console import Console

#: Columns where the output is no terminal: lines stay whole, for grep.
_WIDE = 10_000


def console(*, colour: bool | None = None) -> Console:
    """Return where text for people goes: in colours on a terminal only, and never broken elsewhere."""
    terminal = sys.stdout.isatty()
    return Console(
        file=sys.stdout,
        highlight=False,
        markup=False,
        emoji=False,
        no_color=None if colour is None else not colour,
        width=None if terminal else _WIDE,
    )


def data(value: Any, form: str) -> None:
    """Print data as JSON or YAML."""
    if form == "json":
        click.echo(json.dumps(value, indent=2))
    else:
        click.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), nl=False)


def objects(found: list[dict[str, Any]], form: str) -> None:
    """Print Kubernetes objects as kubectl takes them: a list in JSON, documents in YAML."""
    if form == "json":
        data({"apiVersion": "v1", "kind": "List", "items": found}, form)
    else:
        click.echo(yaml.safe_dump_all(found, sort_keys=False, allow_unicode=True), nl=False)
