"""What the preview says of itself: which panels had data, as text and as JSON.

It never decides more than the exit code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboards.preview import asking

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dashboards.preview.asking import Answer
    from dashboards.preview.board import Board

#: A panel of which one query is without data counts as one without.
_LACKING = (asking.EMPTY, asking.PARTIAL, asking.ERROR)


@dataclass(frozen=True, slots=True)
class Drawn:
    """One dashboard, its answers, and the files of its panels and of the whole."""

    board: Board
    answers: Sequence[Answer]
    files: Sequence[Path]
    file: Path

    def panels(self) -> Iterator[tuple[Answer, Path]]:
        """Yield the panels that show data or should, with their files."""
        for answer, file in zip(self.answers, self.files, strict=True):
            if answer.status != asking.STATIC:
                yield answer, file


def lacking(drawn: Sequence[Drawn]) -> list[tuple[Board, Answer]]:
    """Return the panels of which a query has no data or was refused."""
    return [(each.board, answer) for each in drawn for answer, _ in each.panels() if answer.status in _LACKING]


def is_enough(drawn: Sequence[Drawn], allowed: int) -> bool:
    """Tell whether no query was refused and no more than `allowed` panels lack data."""
    without = lacking(drawn)
    return len(without) <= allowed and not any(answer.status == asking.ERROR for _, answer in without)


def text(drawn: Sequence[Drawn], page: Path, allowed: int) -> str:
    """Return the summary for a person."""
    lines = []
    for each in drawn:
        statuses = [answer.status for answer, _ in each.panels()]
        lines.append(
            f"{each.board.name}: {statuses.count(asking.DATA)} of {len(statuses)} panels have data: {each.file}"
        )
    without = lacking(drawn)
    lines.append(
        f"{len(without)} panels lack data, {allowed} may: {'enough' if is_enough(drawn, allowed) else 'too many'}"
    )
    for board, answer in without:
        queries = [query.error or query.expr for query in answer.asked if query.error or not query.series]
        lines.append(f"  {answer.status}: {board.name}: {answer.title}: {'; '.join(queries)}")
    return "\n".join([*lines, f"all of it on one page: {page}"])


def as_json(drawn: Sequence[Drawn], page: Path, allowed: int) -> dict[str, Any]:
    """Return the summary for programs."""
    panels = [
        {
            "dashboard": each.board.name,
            "id": answer.panel.id,
            "title": answer.title,
            "kind": answer.panel.kind,
            "status": answer.status,
            "series": sum(query.series for query in answer.asked),
            "queries": [
                {"ref": query.ref, "expr": query.expr, "series": query.series, "error": query.error}
                for query in answer.asked
            ],
            "file": str(file),
        }
        for each in drawn
        for answer, file in each.panels()
    ]
    return {
        "panels": panels,
        "dashboards": {each.board.name: str(each.file) for each in drawn},
        "page": str(page),
        "lacking": len(lacking(drawn)),
        "allowed": allowed,
        "enough": is_enough(drawn, allowed),
    }
