"""A tenant's words in a message of ours: on one line, printable, bounded. Pure."""

from __future__ import annotations

#: Characters of a message, and of what it quotes of a pod's answer.
LONGEST, LONGEST_QUOTED = 300, 120


def quoted(text: object, longest: int = LONGEST_QUOTED) -> str:
    """Return what a pod said as it may stand in a message."""
    shown = " ".join("".join(one if one.isprintable() else " " for one in str(text)[: 4 * longest]).split())
    return shown if len(shown) <= longest else f"{shown[: longest - 3]}..."


def sentence(text: str) -> str:
    """Return a message, shortened where names and quotes make it too long."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def listed(names: list[str], most: int = 3) -> str:
    """Return the first of many names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
