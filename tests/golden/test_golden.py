"""What the operator applies, to be read in a diff: a change here is a change in a user's cluster."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.framework.rendered import ROOT, inputs, sets

EXPECTED = Path(__file__).parent / "expected"
HINT = "If the change is wanted: python -m pytest tests/golden --update-golden, then read the diff."


class Dumper(yaml.SafeDumper):
    """Multi-line text as a block, so that a diff shows the line that changed."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Dumper.add_representer(str, _text)


@cache
def verbatim() -> dict[str, str]:
    """Every file of templates that is the same for all stacks, by its content."""
    files = [file for file in (ROOT / "templates").glob("*/config/*/*") if file.suffix != ".j2"]
    return {file.read_text("utf-8"): f"(as in {file.relative_to(ROOT)})" for file in files}


def golden(objects: list[dict[str, Any]]) -> str:
    """Return the objects as YAML; of what is the same for all stacks only where it comes from."""
    shown = []
    for obj in objects:
        data = {key: verbatim().get(text, text) for key, text in obj.get("data", {}).items()}
        shown.append(obj | {"data": data} if data else obj)
    return yaml.dump_all(shown, Dumper=Dumper, width=120, sort_keys=True)


@pytest.mark.parametrize("name", inputs())
def test_rendered_as_before(name: str, update_golden: bool) -> None:
    file, now = EXPECTED / f"{name}.yaml", golden(sets()[name])
    if update_golden:
        file.write_text(now, "utf-8")
    assert file.is_file(), HINT
    assert now == file.read_text("utf-8"), HINT


def test_no_golden_file_without_an_input() -> None:
    assert {file.stem for file in EXPECTED.glob("*.yaml")} == inputs().keys()
