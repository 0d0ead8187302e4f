"""Write operator/inventory_cli/reasons.json from docs/status.md; with --check, say whether it is up to date.

Run as `python3 hack/reasons.py`.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from generated import write_or_check

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "status.md"
FILE = ROOT / "operator" / "inventory_cli" / "reasons.json"
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def reasons() -> str:
    """Return the file as it should be: a list of {reason, where, action}, in the order of the page."""
    return json.dumps(list(_rows()), indent=1, ensure_ascii=False) + "\n"


def _rows() -> Iterator[dict[str, str]]:
    """Yield each reason of each table whose first column has reasons; words of Markdown become plain ones."""
    in_table = False
    for line in PAGE.read_text("utf-8").splitlines():
        if not line.startswith("|"):
            in_table = False
            continue
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if cells[0].strip() == "reason":
            in_table = True
        elif in_table and not line.startswith("|-"):
            first, where, *rest = cells
            action = _plain(" | ".join(rest).rstrip("| "))
            yield from ({"reason": one, "where": where, "action": action} for one in re.findall(r"`(\w+)`", first))


def _plain(text: str) -> str:
    return _LINK.sub(r"\1", text).replace("`", "").rstrip(".")


if __name__ == "__main__":
    sys.exit(write_or_check(FILE, reasons(), "page docs/status.md", sys.argv[1:]))
