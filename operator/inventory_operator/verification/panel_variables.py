"""Gives a dashboard's variables their values and puts them into queries and titles, as Grafana does for Prometheus.

Pure: whoever asks a Prometheus hands in what it answered. It never invents a variable: one that the dashboard does not
define is an error of the panel that names it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inventory_operator.verification.panel_times import PanelError, duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from inventory_operator.verification.panel_times import Window

_NAMED = re.compile(r"\$\{(\w+)(?:\.\w+)?(?::(\w+))?\}|\$([A-Za-z_]\w*)|\[\[(\w+)\]\]")
_ALL = "$__all"


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
        """Return `text` with the variables' values as PromQL needs them; PanelError for one that is not defined."""
        steps = self._steps(interval or self.window.interval(1000))
        return _NAMED.sub(lambda found: self._one(found, steps).promql, text)

    def show(self, text: str) -> str:
        """Return `text` with the variables' values for people."""
        steps = self._steps(self.window.interval(1000))
        return _NAMED.sub(lambda found: self._one(found, steps).shown, text)

    def undefined(self, text: str) -> set[str]:
        """Return the names of the variables in `text` that have no value."""
        steps, names = self._steps(1), {_name(found) for found in _NAMED.finditer(text)}
        return {name for name in names if name not in steps and name not in self.values}

    def _one(self, found: re.Match[str], steps: Mapping[str, str]) -> Value:
        name = _name(found)
        value = Value(steps[name], steps[name]) if name in steps else self.values.get(name)
        if value is None:
            raise PanelError(f"the variable ${name} is not defined in this dashboard")
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


def _name(found: re.Match[str]) -> str:
    return found[1] or found[3] or found[4]


def resolve(
    variables: Sequence[Mapping[str, Any]],
    window: Window,
    options: Callable[[Mapping[str, Any], Scope], list[str]],
    chosen: Mapping[str, str] | None = None,
) -> Scope:
    """Return the values of all variables, in order, as one may depend on those before it; `chosen` goes first.

    `options` returns what a variable that asks the data source can be; the others say so themselves.
    """
    scope = Scope(window)
    for variable in variables:
        name = variable["name"]
        if name in (chosen or {}):
            text = (chosen or {})[name]
            scope.values[name] = Value(text, text)
        elif variable["type"] == "datasource":
            scope.values[name] = Value("prometheus", "Prometheus")
        elif variable["type"] != "adhoc":
            found = options(variable, scope) if variable["type"] == "query" else _written(variable)
            scope.values[name] = _value(variable, found)
    return scope


def query_of(variable: Mapping[str, Any]) -> str:
    """Return what a variable asks the data source."""
    query = variable.get("query", "")
    text = query.get("query", "") if isinstance(query, dict) else query
    return str(text or variable.get("definition", ""))


def saved(variable: Mapping[str, Any]) -> list[str]:
    """Return the values with which the dashboard was saved; `$__all` is one, and stands for all of them."""
    current = variable.get("current", {}).get("value") or ""
    return [word for word in (current if isinstance(current, list) else [current]) if word]


def _written(variable: Mapping[str, Any]) -> list[str]:
    query = variable.get("query", "")
    if variable["type"] in {"custom", "interval"}:
        words = [word.strip() for word in re.split(r"(?<!\\),", query)]
        return [re.split(r"\s:\s", word)[-1].strip() for word in words if word]
    return [query or str(variable.get("current", {}).get("value", ""))]


def _value(variable: Mapping[str, Any], options: list[str]) -> Value:
    wanted, possible = saved(variable), set(options)
    all_of_them = bool(variable.get("includeAll"))
    if all_of_them and (not wanted or _ALL in wanted or not set(wanted) & possible):
        return Value(variable.get("allValue") or _joined(options), "All")
    there = [word for word in wanted if word in possible] or options[:1]
    if not there:
        return Value("", "")
    # Only where several may be chosen is the text a regular expression.
    several = bool(variable.get("multi")) or all_of_them
    return Value(_joined(there) if several else there[0], " + ".join(there))


def _joined(words: Sequence[str]) -> str:
    """Return a regular expression for any of `words`, for use within a quoted string of PromQL."""
    escaped = [re.sub(r"([\\^$*+?.()|\[\]{}])", r"\\\\\1", word) for word in words]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
