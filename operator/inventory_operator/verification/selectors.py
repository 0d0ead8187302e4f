"""The series that a query of ours selects, taken out of its text: enough to say which one Prometheus does not have.

Pure. Not a parser of PromQL: it finds a metric by its braces, which every query of the shipped dashboards has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Of one query that are looked at: ours have 6 at most.
MOST = 12
_MATCHERS = r"(?:[^{}\"]|\"(?:[^\"\\]|\\.)*\")*"
_SELECTOR = re.compile(rf"(?<![\w:])([A-Za-z_:][\w:]*)\{{({_MATCHERS})\}}")
_MATCHER = re.compile(r"(\w+)\s*(=~|!~|!=|=)\s*(\"(?:[^\"\\]|\\.)*\")")
_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"")
_OR = re.compile(r"\bor\b")


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label; `value` is as in the query, in quotes."""

    label: str
    operator: str
    value: str

    def __str__(self) -> str:
        """Return it as in a query."""
        return f"{self.label}{self.operator}{self.value}"

    @property
    def needs_label(self) -> bool:
        """Tell whether only series with the label match: `.+` does, `.+|` does not."""
        inner = self.value[1:-1]
        if self.operator == "=":
            return bool(inner)
        return self.operator == "=~" and bool(inner) and inner != ".*" and not (inner[0] == "|" or inner[-1] == "|")


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric with the conditions on its labels."""

    metric: str
    matchers: tuple[Matcher, ...]

    def __str__(self) -> str:
        """Return it as in a query."""
        return f"{self.metric}{{{','.join(map(str, self.matchers))}}}"

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the labels that its series must have."""
        return tuple(dict.fromkeys(matcher.label for matcher in self.matchers if matcher.needs_label))


def selectors(expr: str) -> list[Selector]:
    """Return the selectors of a query, each once, in its order."""
    found = [
        Selector(metric, tuple(Matcher(*parts) for parts in _MATCHER.findall(inside)))
        for metric, inside in _SELECTOR.findall(expr)
    ]
    return list(dict.fromkeys(found))[:MOST]


def has_alternative(expr: str) -> bool:
    """Tell whether a query returns something else where a part of it is empty: then its result proves little."""
    return _OR.search(_STRING.sub('""', expr)) is not None
