"""The command line of the operator: its one command, `run`, and the settings that the words of it say.

What people ask about stacks and files is `kubectl inventory`, a package of its own.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from inventory_operator.api.ingress import AnnotationKey
from inventory_operator.api.strings import Host, ObjectName
from inventory_operator.settings import ANY, Settings, variable
from inventory_operator.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EXAMPLES = """\
examples:
  inventory-operator                                    run against the pod's cluster, or $KUBECONFIG outside one
  inventory-operator run --namespace shop               work in one namespace only
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; every flag of `run` can be an environment variable, too."""
    top = argparse.ArgumentParser(
        prog="inventory-operator",
        description="Keeps every InventoryStack of a cluster as its spec says.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(dest="command", metavar="{run}")
    _add_run(commands.add_parser("run", help="run the operator (the default)"))
    return top


def _add_run(run: argparse.ArgumentParser) -> None:
    defaults = Settings()

    def option(flag: str, text: str, **more: Any) -> None:
        name = flag.removeprefix("--").replace("-", "_")
        default = getattr(defaults, name)
        value = os.environ.get(variable(name)) or default
        shown = "none" if default == () else default
        run.add_argument(flag, default=value, help=f"{text} [${variable(name)}, default: {shown}]", **more)

    def switch(flag: str, text: str) -> None:
        setting = flag.removeprefix("--").replace("-", "_")
        name = variable(setting)
        said = os.environ.get(name, "").lower()
        value = said in {"1", "true", "yes"} if said else getattr(defaults, setting)
        run.add_argument(flag, action=argparse.BooleanOptionalAction, default=value, help=f"{text} [${name}]")

    option("--namespace", "the one namespace to work in")
    option("--operator-namespace", "namespace of the Lease")
    option("--service-image", "image of stacks that name none")
    option("--runbook-url", "where RUNBOOK.md is published, for the links of alerts")
    option("--http-port", "port of /metrics, /livez and /readyz", type=int)
    option("--log-format", "json or text", choices=("json", "text"))
    option("--log-level", "DEBUG, INFO, WARNING or ERROR", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    option("--resync-seconds", "how often each stack is looked at without a change", type=float)
    switch("--kubelet-insecure-skip-verify", "kubelets serve self-signed certificates (kind)")
    switch("--allow-kubelet-metrics", "stacks may read the metrics of containers from the kubelets")
    switch("--probe-pods", "ask the pods of stacks what the checks want to know (default: in a pod)")
    option("--allowed-ingress-hosts", "hosts for stacks, each with all that is below it; * is any", type=_hosts)
    option("--allowed-ingress-annotations", "annotations for their Ingresses", type=_words(AnnotationKey))
    option("--allowed-ingress-classes", "classes for their Ingresses", type=_words(ObjectName))


def _words(kind: Any) -> Callable[[str], tuple[str, ...]]:
    """Return what reads words of a type from between commas; a bad one is an error of the command line."""
    adapter = TypeAdapter(kind)

    def read(text: str) -> tuple[str, ...]:
        words = tuple(word for part in text.split(",") if (word := part.strip()))
        for word in words:
            try:
                adapter.validate_python(word)
            except ValidationError as error:
                raise argparse.ArgumentTypeError(f"{error.errors()[0]['msg']}, got {word!r}") from None
        return words

    return read


def _hosts(text: str) -> tuple[str, ...]:
    """Return hosts as DNS compares them, or the word for all."""
    words = [part.strip().lower().removesuffix(".") for part in text.split(",")]
    return (ANY,) if ANY in words else _words(Host)(",".join(words))


def settings(words: argparse.Namespace) -> Settings:
    """Return the settings that the words of `run` say."""
    said = vars(words)
    return Settings(**{f.name: said[f.name] for f in fields(Settings) if f.name in said})


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Return the parsed words; without a command it is `run`."""
    known = {"run", "-h", "--help", "--version"}
    return parser().parse_args(argv if argv and argv[0] in known else ["run", *argv])
