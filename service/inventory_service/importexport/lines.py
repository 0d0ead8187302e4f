"""The lines of an uploaded file: text out of bytes, one line in memory at a time. The encoding is UTF-8."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from inventory_service.importexport.rows import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: No row that could be good is longer: it has a few thousand characters at most.
MAX_LINE: Final = 65_536

_NOT_UTF8: Final = "The line is not UTF-8 text; save the file as UTF-8 (in a spreadsheet: CSV UTF-8)."


def of(stream: io.RawIOBase | io.BytesIO) -> Iterator[str]:
    """Yield the lines with their ends (LF, CRLF or CR), without a byte order mark. Raise UnreadableError."""
    buffered = io.BufferedReader(stream)
    text = io.TextIOWrapper(buffered, encoding="utf-8-sig", errors="surrogateescape", newline="")
    number = 0
    try:
        while line := text.readline(MAX_LINE):
            number += 1
            _check(number, line)
            yield line
    finally:
        # The stream is the caller's: it must not be closed with its wrappers.
        text.detach()
        buffered.detach()


def _check(number: int, line: str) -> None:
    try:
        line.encode()
    except UnicodeEncodeError:
        raise UnreadableError(number, _NOT_UTF8) from None
    if "\0" in line:
        raise UnreadableError(number, f"The line holds a NUL character, which is no text. {_NOT_UTF8}")
    if len(line) == MAX_LINE:
        raise UnreadableError(number, f"The line has {MAX_LINE} characters or more; no product needs so many.")
