"""One command line for every measurement: its options, tables or JSON, and exit codes by the bars that were met.

It knows nothing of what is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

from devcluster.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_ROOT = Path(__file__).parents[1]
_EXIT_CODES = "exit code: 0 if every bar was met, 1 if one was missed, 3 if this machine can't do it\n\n"


@dataclass(frozen=True, slots=True)
class Bar:
    """What must hold, what was found, and whether that is enough."""

    what: str
    found: str
    bar: str
    met: bool

    @property
    def verdict(self) -> str:
        """The last column of a table."""
        return "met" if self.met else "**missed**"


class Result(Protocol):
    """A dataclass of everything that one run measured."""

    @property
    def bars(self) -> Sequence[Bar]:
        """What must hold."""


#: Flags, and what argparse shall know of each.
Options: TypeAlias = "Mapping[str, Mapping[str, object]]"
R = TypeVar("R", bound=Result)


@dataclass(frozen=True, slots=True)
class Command(Generic[R]):
    """A measurement, named as its module."""

    name: str
    description: str | None
    examples: str
    options: Options
    measure: Callable[[argparse.Namespace], R]
    table: Callable[[R], str]

    def run(self) -> int:
        """Measure, print, and write it down when asked; return the exit code."""
        words = self._parser().parse_args()
        # In the images all modules are compiled. Without that each start of a program would measure the compiler, too.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        try:
            result = self.measure(words)
        except ClusterError as error:
            sys.stderr.write(f"{error}\n")
            return error.exit_code
        tables = self.table(result)
        print(_as_json(result) if words.output == "json" else tables)
        if words.record:
            record(words.record, tables, self.name)
        missed = [bar for bar in result.bars if not bar.met]
        for bar in missed:
            sys.stderr.write(f"missed: {bar.what}: found {bar.found}, expected {bar.bar}\n")
        return 1 if missed else 0

    def _parser(self) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(
            prog=f"python -m bench.{self.name}",
            description=self.description,
            epilog=_EXIT_CODES + self.examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        for flag, how in self.options.items():
            parser.add_argument(flag, **how)  # type: ignore[arg-type]
        parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
        parser.add_argument("--record", type=Path, help="put the tables into this file, between its markers")
        return parser


def only(parts: Sequence[str]) -> Options:
    """Return the option that chooses some of the parts."""
    return {"--only": {"choices": parts, "action": "append", "help": "one part; may be given twice (default: all)"}}


def machine() -> str:
    """Return when, where and with which commit; to be asked before the run, for the load of others."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", info)
    git = ["git", "-C", str(_ROOT)]
    commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], check=True, capture_output=True, text=True)
    measured = ["operator", "templates", "service"]
    dirty = subprocess.run([*git, "status", "--porcelain", *measured], check=True, capture_output=True)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({model[1] if model else platform.machine()}), "
        f"Python {platform.python_version()}, commit {commit.stdout.strip()}{' with changes' if dirty.stdout else ''}, "
        f"load average of the minute before: {os.getloadavg()[0]:.1f}"
    )


def bar_table(bars: Iterable[Bar]) -> list[str]:
    """Return the lines of the table of bars."""
    rows = [(bar.what, bar.found, bar.bar, bar.verdict) for bar in bars]
    return markdown(("must hold", "found", "bar", ""), rows)


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table whose first column is text and whose others are numbers."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _as_json(result: Result) -> str:
    """Return everything, numbers as they were measured."""
    data = asdict(result) | {"bars": [asdict(bar) for bar in result.bars]}  # type: ignore[call-overload]
    return json.dumps(data, indent=2)


def record(file: Path, text: str, what: str) -> None:
    """Put `text` between the markers of `file` that are named for what was measured."""
    begin, end = f"<!-- measured {what} -->\n", f"<!-- /measured {what} -->"
    before, found, rest = file.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"{file}: expected the markers {begin.strip()} and {end}")
    file.write_text(f"{before}{begin}{text}\n{end}{after}")
