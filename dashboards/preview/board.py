"""Reads a dashboard's JSON into panels with their places, queries and settings.

It never asks Prometheus and never draws.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dashboards.preview.errors import PreviewError
from inventory_operator.verification.panel_queries import ROW, targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from inventory_operator.verification.panel_queries import Target


@dataclass(frozen=True, slots=True)
class Box:
    """A place in the grid of 24 columns; `y` and `h` are grid rows."""

    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; `defaults`, `overrides`, `options` and `transformations` are as in the JSON."""

    id: int
    kind: str
    title: str
    box: Box
    description: str = ""
    targets: Sequence[Target] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    overrides: Sequence[Mapping[str, Any]] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    transformations: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard; `name` is its file's without the ending, `variables` are as in the JSON."""

    name: str
    title: str
    description: str
    panels: Sequence[Panel]
    variables: Sequence[Mapping[str, Any]] = ()

    @property
    def rows(self) -> int:
        """Return the height of the grid."""
        return max((panel.box.y + panel.box.h for panel in self.panels), default=0)


def read(file: Path) -> Board:
    """Return the dashboard of a file; PreviewError where it is none."""
    try:
        raw = json.loads(file.read_text("utf-8"))
        return parse(file.stem, raw)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PreviewError(f"{file}: this is no dashboard that can be drawn: {error!r}") from error


def parse(name: str, raw: Mapping[str, Any]) -> Board:
    """Return the dashboard of its JSON, the panels of collapsed rows unfolded."""
    panels = sorted(_unfolded(raw["panels"]), key=lambda panel: (panel.box.y, panel.box.x))
    variables = raw.get("templating", {}).get("list", [])
    return Board(name, raw["title"], raw.get("description", ""), panels, variables)


def _unfolded(raw_panels: Iterable[Mapping[str, Any]]) -> Iterator[Panel]:
    """Yield every panel; what comes after a collapsed row moves down by the height of its panels."""
    shift = 0
    for raw in raw_panels:
        panel = _panel(raw)
        yield _moved(panel, shift)
        inner = [_panel(each) for each in raw.get("panels", ())] if panel.kind == ROW else []
        if inner:
            top = min(each.box.y for each in inner)
            down = panel.box.y + panel.box.h + shift - top
            yield from (_moved(each, down) for each in inner)
            shift += max(each.box.y + each.box.h for each in inner) - top


def _moved(panel: Panel, rows: int) -> Panel:
    return replace(panel, box=replace(panel.box, y=panel.box.y + rows))


def _panel(raw: Mapping[str, Any]) -> Panel:
    at = raw["gridPos"]
    config = raw.get("fieldConfig", {})
    return Panel(
        id=raw["id"],
        kind=raw["type"],
        title=raw.get("title", ""),
        box=Box(at["x"], at["y"], at["w"], at["h"]),
        description=raw.get("description", ""),
        targets=targets(raw),
        defaults=config.get("defaults", {}),
        overrides=config.get("overrides", ()),
        options=raw.get("options", {}),
        transformations=[each for each in raw.get("transformations", ()) if not each.get("disabled")],
    )
