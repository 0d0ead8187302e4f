"""Stacks in files: the documents of their kind, and those in lists of kubectl."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from inventory_cli.failure import Failure
from inventory_operator.api import metadata as meta
from inventory_operator.api.errors import InvalidSpec, Problem
from inventory_operator.api.stack import Spec, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Object = dict[str, Any]
#: Bytes of a file: a stack has 1.5 MiB at most, which is etcd's limit of a request.
LARGEST_FILE = 10_000_000
#: The uid of a stack that no API server has given one.
NO_UID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class StackFile:
    """One stack of a file."""

    file: str
    raw: Object

    @property
    def name(self) -> str:
        """Its name; empty where it has none, which is one of its problems."""
        return str(_metadata(self.raw).get("name") or "")

    def namespace(self, otherwise: str) -> str:
        """Return its namespace: what the file says, else what the command line does."""
        return str(_metadata(self.raw).get("namespace") or otherwise)

    def problems(self) -> list[Problem]:
        """Return what is wrong with it."""
        found = []
        if (version := self.raw.get("apiVersion")) != meta.API_VERSION:
            found.append(Problem("apiVersion", f"expected {meta.API_VERSION}, got {str(version)[:60]!r}"))
        if not isinstance(self.raw.get("metadata"), dict):
            return [*found, Problem("metadata", "expected an object")]
        try:
            parse(self.raw)
        except InvalidSpec as error:
            found += error.problems
        return found

    def spec(self) -> Spec:
        """Return its typed spec; Failure where it is invalid."""
        if problems := self.problems():
            more = f" (and {len(problems) - 1} more: kubectl inventory validate)" if len(problems) > 1 else ""
            raise Failure(f"{self.file}: {self.name}: {problems[0]}{more}")
        return parse(self.raw)

    def identity(self, namespace: str, uid: str | None = None) -> meta.Stack:
        """Return the stack that it is, in that namespace where it names none."""
        return meta.Stack(self.namespace(namespace), self.name, uid or _metadata(self.raw).get("uid") or NO_UID)


def _metadata(raw: Object) -> Object:
    found = raw.get("metadata")
    return found if isinstance(found, dict) else {}


def read(files: Iterable[Path]) -> list[StackFile]:
    """Return every stack in the files, in their order; Failure where a file is not YAML, or has no stack."""
    found: list[StackFile] = []
    for file in files:
        of_file = [StackFile(str(file), document) for document in documents(file) if document.get("kind") == meta.KIND]
        if not of_file:
            raise Failure(f"{file}: no {meta.KIND} found in it")
        found += of_file
    return found


def read_one(file: Path) -> StackFile:
    """Return the one stack of a file; Failure where there are others."""
    found = read([file])
    if len(found) > 1:
        raise Failure(f"{file}: expected one {meta.KIND}, found {len(found)}")
    return found[0]


def documents(file: Path) -> Iterator[Object]:
    """Yield the objects in a file, and those in its lists; Failure where it can't be read."""
    text = load(file)
    try:
        for document in yaml.load_all(text, Loader=yaml.CSafeLoader):
            if isinstance(document, dict):
                items = document.get("items")
                listed = items if document.get("kind") == "List" and isinstance(items, list) else [document]
                yield from (one for one in listed if isinstance(one, dict))
    except yaml.YAMLError as error:
        raise Failure(f"{file}: is not valid YAML: {error}") from None


def load(file: Path) -> str:
    """Return the text of a file, or of standard input; Failure where it is too long or no text."""
    try:
        if str(file) == "-":
            text = sys.stdin.read(LARGEST_FILE + 1)
        else:
            with file.open(encoding="utf-8") as opened:
                text = opened.read(LARGEST_FILE + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{file}: can't be read: {error}") from None
    if len(text) > LARGEST_FILE:
        raise Failure(f"{file}: is too long: expected at most {LARGEST_FILE:,} characters")
    return text
