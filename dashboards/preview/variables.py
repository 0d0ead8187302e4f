"""Gives a dashboard's variables their values and puts them into queries and titles, as Grafana does for Prometheus.

It never invents a variable: one that the dashboard does not define is an error of the panel that names it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboards.preview.errors import PreviewError
from dashboards.preview.times import duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dashboards.preview.client import Client
    from dashboards.preview.times import Window

_NAMED = re.compile(r"\$\{(\w+)(?:\.\w+)?(?::(\w+))?\}|\$([A-Za-z_]\w*)|\[\[(\w+)\]\]")
_ALL = "$__all"
_LABEL_VALUES = re.compile(r"label_values\((?:(.+),)?\s*([a-zA-Z_]\w*)\s*\)\s*", re.DOTALL)
_QUERY_RESULT = re.compile(r"query_result\((.+)\)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Value:
    """What a variable stands for: the text that PromQL gets, and the text that people read."""

    promql: str
    shown: str


class Scope:
    """The values of all variables of one dashboard."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.values: dict[str, Value] = {}

    def fill(self, text: str, interval: float = 0.0) -> str:
        """Return `text` with the variables' values as PromQL needs them; PreviewError for one that is not defined."""
        steps = self._steps(interval or self.window.interval(1000))
        return _NAMED.sub(lambda found: self._one(found, steps).promql, text)

    def show(self, text: str) -> str:
        """Return `text` with the variables' values for people."""
        steps = self._steps(self.window.interval(1000))
        return _NAMED.sub(lambda found: self._one(found, steps).shown, text)

    def _one(self, found: re.Match[str], steps: Mapping[str, str]) -> Value:
        name = found[1] or found[3] or found[4]
        value = Value(steps[name], steps[name]) if name in steps else self.values.get(name)
        if value is None:
            raise PreviewError(f"the variable ${name} is not defined in this dashboard")
        return Value(value.shown, value.shown) if found[2] == "raw" else value

    def _steps(self, interval: float) -> dict[str, str]:
        window = self.window
        return {
            "__interval": duration(interval),
            "__interval_ms": str(round(interval * 1000)),
            "__rate_interval": duration(window.rate_interval(interval)),
            "__range": duration(window.range),
            "__range_s": str(round(window.range)),
            "__range_ms": str(round(window.range * 1000)),
            "__from": str(round(window.start * 1000)),
            "__to": str(round(window.end * 1000)),
        }


def resolve(
    variables: Sequence[Mapping[str, Any]], window: Window, client: Client, chosen: Mapping[str, str] | None = None
) -> Scope:
    """Return the values of all variables, in order, as one may depend on those before it; `chosen` goes first."""
    scope = Scope(window)
    for variable in variables:
        name = variable["name"]
        if name in (chosen or {}):
            text = (chosen or {})[name]
            scope.values[name] = Value(text, text)
        elif variable["type"] not in {"adhoc", "datasource"}:
            scope.values[name] = _value(variable, _options(variable, scope, client))
        elif variable["type"] == "datasource":
            scope.values[name] = Value("prometheus", "Prometheus")
    return scope


def _options(variable: Mapping[str, Any], scope: Scope, client: Client) -> list[str]:
    kind, query = variable["type"], variable.get("query", "")
    if kind == "query":
        text = query.get("query", "") if isinstance(query, dict) else query
        return _matching(_asked(text or variable.get("definition", ""), scope, client), variable)
    if kind in {"custom", "interval"}:
        words = [word.strip() for word in re.split(r"(?<!\\),", query)]
        return [re.split(r"\s+:\s+", word)[-1] for word in words if word]
    return [query or str(variable.get("current", {}).get("value", ""))]


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


def _value(variable: Mapping[str, Any], options: list[str]) -> Value:
    current = variable.get("current", {}).get("value") or ""
    wanted = [word for word in (current if isinstance(current, list) else [current]) if word]
    all_of_them = bool(variable.get("includeAll"))
    if all_of_them and (not wanted or _ALL in wanted or not set(wanted) & set(options)):
        return Value(variable.get("allValue") or _joined(options), "All")
    there = [word for word in wanted if word in options] or options[:1]
    if not there:
        return Value("", "")
    # Only where several may be chosen is the text a regular expression.
    several = bool(variable.get("multi")) or all_of_them
    return Value(_joined(there) if several else there[0], " + ".join(there))


def _joined(words: Sequence[str]) -> str:
    """Return a regular expression for any of `words`, for use within a quoted string of PromQL."""
    escaped = [re.sub(r"([\\^$*+?.()|\[\]{}])", r"\\\\\1", word) for word in words]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
