"""The command line: `run` the operator, `check` files, `render` what a file becomes.

Nothing here is part of a running operator.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import TypeAdapter, ValidationError

from inventory_operator.api import metadata as meta
from inventory_operator.api.ingress import AnnotationKey
from inventory_operator.api.stack import InvalidSpec, parse
from inventory_operator.api.strings import Host, ObjectName
from inventory_operator.manifests.render import RenderInputs, render
from inventory_operator.settings import ANY, Settings, variable
from inventory_operator.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

EXAMPLES = """\
examples:
  inventory-operator                                    run against the pod's cluster, or $KUBECONFIG outside one
  inventory-operator run --namespace shop               work in one namespace only
  inventory-operator check examples/*.yaml              say what is wrong with files, exit code 1 if anything is
  inventory-operator render examples/shop.yaml          print every object that the stacks of a file become
  inventory-operator render -o json shop.yaml | jq .    the same for programs
"""
EXIT_INVALID = 1


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; every flag of `run` can be an environment variable, too."""
    top = argparse.ArgumentParser(
        prog="inventory-operator",
        description="Keeps every InventoryStack of a cluster as its spec says.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(dest="command", metavar="{run,check,render}")
    _add_run(commands.add_parser("run", help="run the operator (the default)"))
    check = commands.add_parser("check", help="check the stacks in files")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE", help="YAML with one or more InventoryStacks")
    check.add_argument("-o", "--output", choices=("text", "json"), default="text")
    shown = commands.add_parser("render", help="print the objects that the stacks in files become")
    shown.add_argument("files", nargs="+", type=Path, metavar="FILE", help="YAML with one or more InventoryStacks")
    shown.add_argument(
        "-n", "--namespace", default="default", help="namespace of stacks that name none (default: default)"
    )
    shown.add_argument("-o", "--output", choices=("yaml", "json"), default="yaml")
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
    known = {"run", "check", "render", "-h", "--help", "--version"}
    return parser().parse_args(argv if argv and argv[0] in known else ["run", *argv])


def check(files: Sequence[Path], output: str) -> int:
    """Print what is wrong with the stacks in files; returns the exit code."""
    found = []
    for file, stack in _stacks(files):
        try:
            parse(stack)
            problems = []
        except InvalidSpec as error:
            problems = [{"path": problem.path, "message": problem.message} for problem in error.problems]
        found.append({"file": str(file), "name": stack.get("metadata", {}).get("name"), "problems": problems})
    if output == "json":
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        for entry in found:
            lines = [f"{p['path']}: {p['message']}" for p in entry["problems"]] or ["ok"]
            sys.stdout.writelines(f"{entry['file']}: {entry['name']}: {line}\n" for line in lines)
    return EXIT_INVALID if any(entry["problems"] for entry in found) else 0


def show(files: Sequence[Path], namespace: str, output: str) -> int:
    """Print the objects that the stacks in files become; generated values and digests are not among them."""
    objects: list[Any] = []
    for file, raw in _stacks(files):
        metadata = raw.get("metadata", {})
        stack = meta.Stack(
            metadata.get("namespace", namespace), metadata.get("name", ""), metadata.get("uid", "preview")
        )
        try:
            spec = parse(raw)
        except InvalidSpec as error:
            sys.stderr.write(f"{file}: {error}\n")
            return EXIT_INVALID
        inputs = RenderInputs(
            service_image=Settings().service_image,
            operator_namespace=None,
            namespace_uid="preview",
            kubelet_insecure_skip_verify=False,
            secret_digests={},
        )
        objects += render(stack, spec, inputs)
    if output == "json":
        sys.stdout.write(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}, indent=2) + "\n")
    else:
        yaml.safe_dump_all(objects, sys.stdout, sort_keys=False, allow_unicode=True)
    return 0


def _stacks(files: Sequence[Path]) -> Iterator[tuple[Path, dict[str, Any]]]:
    for file in files:
        for document in yaml.safe_load_all(file.read_text()):
            if isinstance(document, dict) and document.get("kind") == meta.KIND:
                yield file, document
