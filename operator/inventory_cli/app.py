"""The command line as a whole: its commands, how it is called, and how it ends."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import click
from click.shell_completion import CompletionItem, ShellComplete

from inventory_cli.failure import INTERRUPTED, OK
from inventory_operator.version import __version__

#: A module of `commands` each, in the order of the help.
COMMANDS = ("status", "explain", "verify", "top", "open", "plan", "validate", "render", "rbac", "report", "version")
#: click's name of the variable by which a shell asks for its script.
COMPLETION_VARIABLE = "_INVENTORY_COMPLETE"
#: What kubectl reads as the last line of completions: whether the shell may offer files, too
#: (ShellCompDirective in github.com/spf13/cobra/completions.go).
_FILES, _NO_FILES = 0, 4


class Commands(click.Group):
    """Imports a command when it is used: most need a client of the Kubernetes API, which takes a second to import."""

    def list_commands(self, _: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name."""
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = importlib.import_module(f"inventory_cli.commands.{cmd_name}").command
        return found


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
def app() -> None:
    """See, explain and try out inventory stacks, with your own kubeconfig and your own rights.

    Exit codes: 0 all is well, 1 something is not as it should be, 2 wrong arguments, 3 no cluster or no rights.
    """


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; returns the exit code."""
    program = "kubectl inventory" if Path(sys.argv[0]).name.startswith("kubectl-") else "inventory"
    try:
        ended = app.main(arguments, prog_name=program, complete_var=COMPLETION_VARIABLE, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough of it: `| head`.
        sys.stderr.close()
        return OK
    return ended if isinstance(ended, int) else OK


def complete(arguments: list[str] | None = None) -> int:
    """Print what kubectl may complete the last argument to: it calls `kubectl_complete-inventory`."""
    *before, last = (sys.argv[1:] if arguments is None else arguments) or [""]
    found = ShellComplete(app, {}, "inventory", COMPLETION_VARIABLE).get_completions(before, last)
    for item in found:
        if item.type == "plain":
            click.echo(f"{item.value}\t{item.help}" if item.help else item.value)
    click.echo(f":{_FILES if _wants_files(found) else _NO_FILES}")
    return OK


def _wants_files(found: list[CompletionItem]) -> bool:
    return any(item.type in {"file", "dir"} for item in found)
