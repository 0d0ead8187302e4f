"""What is wrong with a spec, field by field: a sentence for each validation error, without what may be secret."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic_core import ErrorDetails

_SHOWN_LENGTH = 60
#: Values below such a field are not shown: it may hold the secret itself instead of its name.
_SENSITIVE_PATH = re.compile(
    r"secret|password|token|credential|authentication|ratelimitstore|external\b|annotations|key", re.IGNORECASE
)
_PLAIN_PART = re.compile(r"[A-Za-z0-9_-]{1,63}")
_TYPE_NAMES = {
    "bool_type": "true or false",
    "dict_type": "an object",
    "tuple_type": "a list",
    "model_type": "an object",
    "string_type": "text",
}


class Problem(NamedTuple):
    """One thing that is wrong: the path of the field, and the sentence about it."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class InvalidSpec(ValueError):  # noqa: N818 - reads as what it says: the spec is invalid
    """A spec that can't be followed; `problems` lists everything found, the headline first."""

    def __init__(self, path: str, message: str, others: Iterable[Problem] = ()) -> None:
        self.path = path
        self.message = message
        self.problems = [Problem(path, message), *others]
        super().__init__(f"{path}: {message}")


def invalid(problems: Iterable[Problem]) -> InvalidSpec:
    """Return the exception for these problems, sorted so that the same spec always has the same headline."""
    first, *others = sorted(set(problems))
    return InvalidSpec(first.path, first.message, others)


def raise_cross_field_errors(problems: Iterable[tuple[str, str]]) -> None:
    """Raise if there is a problem between fields, in a model's validator; each is (path below the model, message)."""
    found = tuple(problems)
    if found:
        raise PydanticCustomError("cross_field", "cross_field", {"problems": found})


def _unexpected(error: ErrorDetails) -> NoReturn:
    raise AssertionError(f"no message for an error of type {error['type']}")


def path_of(parts: Iterable[str | int]) -> str:
    """Return the dotted path; an index is in brackets, and so is, quoted and escaped, what is no plain word."""
    path = ""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
            continue
        plain = _PLAIN_PART.fullmatch(str(part))
        path += f".{part}" if plain else f"[{_shortened(str(part))}]"
    return path.removeprefix(".")


def _shortened(value: object) -> str:
    # repr() escapes what can't be seen: newlines, NUL, direction marks.
    text = repr(value)
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}... ({len(str(value))} characters)"


def _got(path: str, value: object) -> str:
    """Return ", got ..." with the value, or without it where it may be a secret."""
    if value is None:
        return ", got nothing"
    if isinstance(value, dict):
        return ", got an object"
    if isinstance(value, (list, tuple)):
        return ", got a list"
    if isinstance(value, bool):
        return f", got {str(value).lower()}"
    if _SENSITIVE_PATH.search(path) or "://" in str(value):
        return ", got something else (not shown, it may be secret)"
    return f", got {_shortened(value)}"


def _unknown(name: str, siblings: Iterable[str]) -> str:
    known = sorted(siblings)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
    return f"unknown field; {hint}"


def explain(error: ErrorDetails, schema: Mapping[str, Any]) -> list[Problem]:
    """Return the problems that one validation error stands for; `schema` is the JSON schema of the spec."""
    at = ["spec", *(part for part in error["loc"] if part != "[key]")]
    path, context = path_of(at), error.get("ctx", {})
    match error["type"]:
        case "cross_field":
            return [Problem(f"{path}.{below}" if below else path, message) for below, message in context["problems"]]
        case "missing":
            return [Problem(path, "required, but missing")]
        case "extra_forbidden":
            return [Problem(path, _unknown(str(at[-1]), _fields(schema, at[1:-1])))]
        case "too_long":
            return [Problem(path, f"expected at most {context['max_length']} entries, got {len(error['input'])}")]
        case "too_short":
            least, found = context["min_length"], len(error["input"])
            # pydantic counts the valid entries only; those that are not are named themselves.
            return [Problem(path, f"expected at least {least} entries, got {found}")] if found < least else []
        case "literal_error":
            expected = str(context["expected"]).replace("'", "")
        case "expected":
            expected = context["expected"]
        case kind:
            expected = _TYPE_NAMES.get(kind) or _unexpected(error)
    return [Problem(path, f"expected {expected}{_got(path, error['input'])}")]


def _fields(schema: Mapping[str, Any], at: Iterable[str | int]) -> Iterable[str]:
    """Return the names of the fields that exist in the object at a path of the schema."""
    node = _resolved(schema, schema)
    for part in at:
        node = _resolved(node["items"] if isinstance(part, int) else node["properties"][str(part)], schema)
    return list(node["properties"])


def _resolved(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    for choice in [node, *node.get("anyOf", [])]:
        if "$ref" in choice:
            found: Mapping[str, Any] = schema["$defs"][choice["$ref"].rpartition("/")[2]]
            return found
    return node
