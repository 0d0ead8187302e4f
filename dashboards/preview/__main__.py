"""The command line: reads arguments, asks, draws, writes, and says which panels have data.

It writes nothing outside of the folder that it is given.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dashboards.preview import asking, board, page, pictures, summary, variables
from dashboards.preview.client import Client
from dashboards.preview.errors import PreviewError
from devcluster.errors import ClusterError
from inventory_operator.verification.panel_queries import ROW
from inventory_operator.verification.panel_times import PanelError, Window, seconds

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from dashboards.preview.board import Board

ROOT = Path(__file__).parents[2]
_BOARDS = ROOT / "templates/grafana/config/reload"
_EXAMPLES = """\
examples:
  make dashboards-preview                                     the demo's stack, with traffic
  .venv/bin/python -m dashboards.preview --prometheus http://localhost:9090
  .venv/bin/python -m dashboards.preview --prometheus http://localhost:9090 --dashboard inventory-slo --range 6h
  .venv/bin/python -m dashboards.preview --prometheus http://localhost:9090 --variable container=grafana
  .venv/bin/python -m dashboards.preview -o json | jq '.panels[] | select(.status != "data") | .title'

exit codes: 0 drawn; 1 drawn, but a query was refused or too many panels lack data; 2 wrong arguments; 3 not drawn
"""


def main(words: list[str] | None = None) -> int:
    """Draw what is asked for and return the exit code."""
    parsed = _parser().parse_args(words)
    try:
        chosen = dict(word.split("=", 1) for word in parsed.variable)
        boards = _read(parsed.boards, parsed.dashboard)
        with _address(parsed.prometheus) as address:
            drawn, file = _draw(boards, address, parsed, chosen)
    except (PreviewError, PanelError, ClusterError) as error:
        print(f"preview: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("\npreview: interrupted", file=sys.stderr)
        return 130
    if parsed.output == "json":
        print(json.dumps(summary.as_json(drawn, file, parsed.allowed), indent=2))
    else:
        print(summary.text(drawn, file, parsed.allowed))
    return 0 if summary.is_enough(drawn, parsed.allowed) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dashboards.preview",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--prometheus", metavar="URL", help="whose data are drawn (default: the demo's, after traffic)")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build/dashboards", help="folder to write (default: build/dashboards)"
    )
    parser.add_argument("--range", default="15m", help="how far to look back (default: 15m)")
    parser.add_argument(
        "--dashboard", action="append", default=[], metavar="NAME", help="only this one; may be repeated"
    )
    parser.add_argument(
        "--boards", type=Path, default=_BOARDS, metavar="DIR", help="folder of the dashboards' JSON files"
    )
    parser.add_argument(
        "--variable", action="append", default=[], type=_pair, metavar="NAME=VALUE", help="choose a variable's value"
    )
    parser.add_argument("--scrape-interval", default="10s", help="as in Grafana's data source (default: 10s)")
    parser.add_argument("--allowed", type=int, default=5, help="how many panels may lack data (default: 5)")
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text", help="form of the summary")
    return parser


def _pair(word: str) -> str:
    if "=" not in word:
        raise argparse.ArgumentTypeError(f"{word!r} is not NAME=VALUE")
    return word


def _read(folder: Path, names: list[str]) -> list[Board]:
    """Return the dashboards that are asked for; all without names."""
    files = {file.stem: file for file in sorted(folder.glob("*.json"))}
    unknown = [name for name in names if name not in files]
    if unknown or not files:
        wanted = ", ".join(unknown) or "a dashboard"
        raise PreviewError(f"{folder} has no {wanted}: there is {', '.join(files) or 'none'}")
    return [board.read(files[name]) for name in names or files]


def _address(url: str | None) -> AbstractContextManager[str]:
    if url is not None:
        return nullcontext(url)
    from dashboards.preview import demo  # late: with an address no cluster is needed

    return demo.prometheus(_say)


def _draw(
    boards: list[Board], address: str, parsed: argparse.Namespace, chosen: dict[str, str]
) -> tuple[list[summary.Drawn], Path]:
    client = Client(address)
    try:
        now = client.now()
        window = Window(now - seconds(parsed.range), now, seconds(parsed.scrape_interval))
        drawn, pngs = [], []
        for number, one in enumerate(boards, start=1):
            _say(f"[{number}/{len(boards)}] {one.title}: {len(one.panels)} panels")
            answers = asking.ask(one, variables.resolve(one.variables, window, client, chosen), client)
            result, images = _write(one, answers, window, parsed.out)
            drawn.append(result)
            pngs.append(images)
    finally:
        client.close()
    file: Path = parsed.out / "index.html"
    about = f"The last {parsed.range} until {datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%S} UTC."
    file.write_text(page.page(drawn, pngs, about), "utf-8")
    return drawn, file


def _write(one: Board, answers: list[asking.Answer], window: Window, out: Path) -> tuple[summary.Drawn, list[bytes]]:
    """Write the pictures of one dashboard: its own, and a folder with one of each panel."""
    folder = out / one.name
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    drawn = [pictures.panel(answer, window) for answer in answers]
    images = [pictures.png(picture) for picture in drawn]
    files = [folder / f"{number:02}-{_slug(answer.title)}.png" for number, answer in enumerate(answers)]
    for answer, file, image in zip(answers, files, images, strict=True):
        if answer.panel.kind != ROW:
            file.write_bytes(image)
    whole = out / f"{one.name}.png"
    whole.write_bytes(pictures.png(pictures.board(one, answers, drawn)))
    return summary.Drawn(one, answers, files, whole), images


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
