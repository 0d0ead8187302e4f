"""Cells that a spreadsheet would take for a formula: exported with an apostrophe before them, imported without it.

`unescape(escape(text))` is `text`, whatever it is. What has to be escaped: OWASP, "CSV Injection"
(owasp.org/www-community/attacks/CSV_Injection), full-width signs, too.
"""

from __future__ import annotations

import re
from typing import Final

#: Apostrophes count as well, so that a text which starts with `'=` by itself comes back as it was. White space before a
#: sign is there because some spreadsheets drop it.
_LOOKS_LIKE_FORMULA: Final = re.compile(r"'*(?:[\t\r\n]|\s*[=+\-@＝＋－＠])")  # noqa: RUF001 - the full-width signs are meant
_ESCAPED: Final = re.compile(r"'(?:'*)(?:[\t\r\n]|\s*[=+\-@＝＋－＠])")  # noqa: RUF001


def escape(text: str) -> str:
    """Return `text` as a cell that no spreadsheet evaluates."""
    return f"'{text}" if _LOOKS_LIKE_FORMULA.match(text) else text


def unescape(cell: str) -> str:
    """Return the text that `escape` made this cell of; a cell that needed no escape is the text."""
    return cell[1:] if _ESCAPED.match(cell) else cell
