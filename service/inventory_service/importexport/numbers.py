"""Numbers as people type them, in a cell or in a field of a form.

What is not a plain number stays text, and the schema that checks it next refuses it.
"""

from __future__ import annotations

import re
from typing import Final

_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")
_NUMBER: Final = re.compile(r"-?(?:[0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})")


def whole(text: str) -> int | str:
    """Return the whole number that `text` is, else the text."""
    return int(text) if _WHOLE.fullmatch(text) else text


def number(text: str) -> float | str:
    """Return the number that `text` is, else the text."""
    return float(text) if _NUMBER.fullmatch(text) else text
