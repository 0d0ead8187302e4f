"""What the check of a file comes to."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Verdict:
    """A file that is good so far."""

    #: What is to be written in its place; None is the file as it is.
    text: str | None = None
    #: Names in it that no other file of its kind may use, and the line of each where that is known.
    names: list[tuple[str, int | None]] = field(default_factory=list)
    #: For lines of `text`, those of the file that they come from.
    lines: dict[int, int] = field(default_factory=dict)
