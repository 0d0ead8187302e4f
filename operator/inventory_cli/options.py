"""What several commands have in common: options, and a help that ends with examples."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from inventory_cli import completion
from inventory_cli.connection import Access

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")
_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


class Command(click.Command):
    """A command whose help ends with examples, as they are to be typed."""

    def __init__(self, *args: Any, examples: str = "", **more: Any) -> None:
        super().__init__(*args, **more)
        self.examples = examples

    def format_epilog(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        with formatter.section("Examples"):
            for line in self.examples.strip().splitlines():
                formatter.write(f"  {line}\n")


def output(*formats: str) -> Callable[[F], F]:
    """Return the option `-o`; the first of `formats` is its default."""
    return click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="How data is printed.",
    )


def one_file(command: F) -> F:
    """Add the option for the one file that a command is about."""
    option = click.option(
        "-f", "--filename", "file", type=_FILE, required=True, help="YAML with the stack; - is stdin."
    )
    return option(command)


def files(command: F) -> F:
    """Add the option for files; a pattern that the shell expands after `-f` is several, too."""
    option = click.option(
        "-f", "--filename", "files", type=_FILE, multiple=True, required=True, help="YAML with stacks; - is stdin."
    )
    more = click.argument("more", type=_FILE, nargs=-1, metavar="[FILE]...")
    return option(more(command))


def facts(command: F) -> F:
    """Add the option for what the operator knows beside the file."""
    text = "YAML with what the operator knows beside the file: its settings and others (docs/kubectl-inventory.md)."
    return click.option("--facts", "facts_file", type=_FILE, help=text)(command)


def access(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add kubectl's own options; the command gets them as `access`."""

    @functools.wraps(command)
    def with_access(
        *arguments: Any, kubeconfig: str | None, context: str | None, namespace: str | None, **more: Any
    ) -> Any:
        return command(*arguments, access=Access(kubeconfig, context, namespace), **more)

    for option in (
        click.option(
            "--kubeconfig", type=click.Path(), help="The kubeconfig; without it $KUBECONFIG, as kubectl has it."
        ),
        click.option("--context", help="The context in it; without it the current one."),
        click.option("-n", "--namespace", help="The namespace; without it that of the context."),
    ):
        with_access = option(with_access)
    return with_access


def stack_name(*, required: bool = True) -> Callable[[F], F]:
    """Return the argument for the name of a stack, which a shell can complete."""
    return click.argument("name", required=required, shell_complete=completion.stack_names)
