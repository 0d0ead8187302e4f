"""Asks Prometheus what a dashboard's variables can be.

What is done with the answers is in the operator's `verification.panel_variables`, which checks dashboards, too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dashboards.preview.errors import PreviewError
from inventory_operator.verification import panel_variables
from inventory_operator.verification.panel_variables import query_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dashboards.preview.client import Client
    from inventory_operator.verification.panel_times import Window
    from inventory_operator.verification.panel_variables import Scope

_LABEL_VALUES = re.compile(r"label_values\((?:(.+),)?\s*([a-zA-Z_]\w*)\s*\)\s*", re.DOTALL)
_QUERY_RESULT = re.compile(r"query_result\((.+)\)\s*", re.DOTALL)


def resolve(
    variables: Sequence[Mapping[str, Any]], window: Window, client: Client, chosen: Mapping[str, str] | None = None
) -> Scope:
    """Return the values of all variables; `chosen` goes first."""

    def options(variable: Mapping[str, Any], scope: Scope) -> list[str]:
        return _matching(_asked(query_of(variable), scope, client), variable)

    return panel_variables.resolve(variables, window, options, chosen)


def _asked(query: str, scope: Scope, client: Client) -> list[str]:
    text, window = scope.fill(query), scope.window
    if found := _LABEL_VALUES.fullmatch(text):
        return client.label_values(found[2], (found[1] or "").strip(), window.start, window.end)
    if found := _QUERY_RESULT.fullmatch(text):
        return [_described(series) for series in client.at(found[1], window.end)]
    raise PreviewError(f"a variable asks {query!r}: only label_values() and query_result() can be answered here")


def _described(series: Mapping[str, Any]) -> str:
    labels = dict(series["metric"])
    name = labels.pop("__name__", "")
    inner = ",".join(f'{label}="{text}"' for label, text in sorted(labels.items()))
    return f"{name}{{{inner}}} {series['value'][1]} {round(float(series['value'][0]) * 1000)}"


def _matching(options: list[str], variable: Mapping[str, Any]) -> list[str]:
    """Return what the variable's own regular expression leaves: its first group, or all that matches."""
    pattern = variable.get("regex", "")
    if pattern:
        matches = [re.search(pattern.removeprefix("/").removesuffix("/"), option) for option in options]
        options = [found[1] if found.re.groups else found[0] for found in matches if found]
    return list(dict.fromkeys(sorted(options)))
