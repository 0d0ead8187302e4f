"""Judges a dashboard: why Grafana would not take it, or one of ours would suffer.

One that was exported "for sharing" gets the data source of the stack, as it would on import by hand.
"""

from __future__ import annotations

import json
import re
from typing import Any

from inventory_operator.checks.verdict import Verdict
from inventory_operator.checks.yaml_tree import RefusedError

OUR_UIDS = "inventory-"
#: The uid of the stack's Prometheus: templates/grafana/config/restart/datasource.yaml.j2.
DATASOURCE = "prometheus"
#: Grafana's own limit.
LONGEST_UID = 40
#: A panel in a row with its transformations has some twenty levels.
DEEPEST = 64
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[][{}]', re.DOTALL)
#: What an export for sharing has beside the dashboard.
_SHARING = frozenset({"__inputs", "__requires", "__elements"})


def check(text: str) -> Verdict:
    """Return the dashboard as it is to be written, and its uid; raise RefusedError."""
    board = _read(text)
    if not isinstance(board, dict) or not isinstance(board.get("title"), str) or not board["title"]:
        raise RefusedError("expected a dashboard as Grafana exports it, an object with a title")
    if "apiVersion" in board or "elements" in board:
        raise RefusedError("is of the v2 format, which Grafana's file provisioning refuses: export the classic model")
    uid = board.get("uid")
    if not isinstance(uid, str) or not uid or len(uid) > LONGEST_UID:
        why = "without one each start of Grafana would make another dashboard"
        raise RefusedError(f"expected a uid of 1 to {LONGEST_UID} characters: {why}")
    if uid.startswith(OUR_UIDS):
        raise RefusedError(f"its uid is taken, as is all that begins with {OUR_UIDS}: expected one of your own")
    return Verdict(_imported(board) if "__inputs" in board else None, [(uid, None)])


def _read(text: str) -> Any:
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(found[0], 0)
        if depth > DEEPEST:
            raise RefusedError(f"nested deeper than {DEEPEST} levels", text.count("\n", 0, found.start()) + 1)
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        # Some versions of Python put a character of the file after a colon.
        raise RefusedError(f"is not valid JSON: {error.msg.split(':')[0]}", error.lineno) from None
    except ValueError:
        raise RefusedError("has a number with too many digits") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RefusedError("a key is twice in one object")
    return found


def _no_constant(_: str) -> None:
    raise RefusedError("is not valid JSON: NaN and Infinity are none")


def _imported(board: dict[str, Any]) -> str:
    """Return the dashboard with a value for each of its inputs."""
    if board.get("__elements"):
        raise RefusedError(
            "uses library panels, which can't come from files: unlink them in Grafana and export it again"
        )
    inputs = board["__inputs"]
    if not isinstance(inputs, list) or not all(isinstance(one, dict) for one in inputs):
        raise RefusedError("expected a list of objects under __inputs")
    return _dump(board, {f"${{{one.get('name')}}}": _value(one) for one in inputs})


def _value(given: dict[str, Any]) -> str:
    if given.get("type") == "datasource":
        if given.get("pluginId") != "prometheus":
            raise RefusedError(
                "an entry of __inputs wants a data source of another kind: the stack has Prometheus only"
            )
        return DATASOURCE
    if given.get("type") == "constant" and isinstance(given.get("value"), str):
        return str(given["value"])
    raise RefusedError("an entry of __inputs is neither a data source nor a constant with a value")


def _dump(board: dict[str, Any], values: dict[str, str]) -> str:
    """Return the dashboard as text, with `values` in place of their names."""
    name = re.compile("|".join(map(re.escape, values)) or "(?!)")

    def filled(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: filled(value) for key, value in node.items()}
        if isinstance(node, list):
            return [filled(value) for value in node]
        return name.sub(lambda found: values[found[0]], node) if isinstance(node, str) else node

    rest = {key: value for key, value in board.items() if key not in _SHARING}
    return json.dumps(filled(rest), separators=(",", ":"))
