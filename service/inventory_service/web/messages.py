"""The messages that a page shows after a change: a fixed list, named in the query, so that no session is needed.

Of the query only the name of the message and numbers are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_SENTENCES: Final = {
    "created": "The product was created.",
    "changed": "The product was changed.",
    "deleted": "The product was deleted; its movements are kept.",
    "restocked": "The delivery was added to the stock.",
    "adjusted": "The stock was adjusted.",
    "counted": "The stock was set to what was counted.",
    "undone": "The movement was undone by an opposite one.",
    "imported": "Imported: {created} created, {updated} changed, {unchanged} unchanged.",
}
_MAX_DIGITS: Final = 9
_NUMBERS: Final = ("created", "updated", "unchanged")


def message(query: Mapping[str, str]) -> str | None:
    """Return the sentence that a query like `done=created` stands for."""
    sentence = _SENTENCES.get(query.get("done", ""))
    if sentence is None:
        return None
    numbers = {name: query.get(name, "") for name in _NUMBERS}
    return sentence.format(
        **{name: text if text.isdecimal() and len(text) <= _MAX_DIGITS else "?" for name, text in numbers.items()}
    )
