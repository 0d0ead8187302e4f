"""The keys of labels and annotations in a spec: qualified names, but for those that are reserved."""

from __future__ import annotations

import re
from dataclasses import dataclass

from inventory_operator.api.markers import CelRule, CelRules
from inventory_operator.api.quantities import PatternString
from inventory_operator.api.strings import SUBDOMAIN

#: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
_PATTERN = rf"^({SUBDOMAIN}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?$"
_LONGEST = 317


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys that a map may have: a type for the parser, and the same as rules in CEL."""

    #: "label" or "annotation".
    kind: str
    example: str
    #: The pattern of the keys that are not the user's to set, in RE2 and Python, and the words for it.
    reserved: str = ""
    reserved_words: str = ""

    @property
    def type(self) -> PatternString:
        """Return the type of one key."""
        but = f" (not allowed are {self.reserved_words})" if self.reserved else ""
        expected = f"{self.kind} keys like {self.example}{but}"
        return PatternString(expected, _PATTERN, _LONGEST, self._is_free if self.reserved else None)

    def _is_free(self, key: str) -> bool:
        return not re.search(self.reserved, key)

    @property
    def rules(self) -> CelRules:
        """Return the rules for the map."""
        rules = [
            CelRule(
                f"self.all(key, size(key) <= {_LONGEST} && key.matches('{_PATTERN}'))",
                f"expected {self.kind} keys like {self.example}",
            )
        ]
        if self.reserved:
            rule = f"self.all(key, !key.matches('{self.reserved}'))"
            rules.append(CelRule(rule, f"not allowed are {self.reserved_words}"))
        return CelRules(*rules)
