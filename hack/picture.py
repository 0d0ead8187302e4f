"""Write the pictures docs/*.svg, of the README and of docs/architecture.md, from the texts docs/*.dot with Graphviz.

Run as `make picture`. The colors are here, because Graphviz has one palette and a page is light or dark.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

from devcluster.errors import ClusterError
from devcluster.preflight import require_packages

ROOT = Path(__file__).parents[1]
SOURCES = tuple(sorted((ROOT / "docs").glob("*.dot")))

_STYLE = """
:root { color-scheme: light dark;
  --text: #1f2328; --soft: #59636e; --line: #6e7781; --frame: #d1d9e0; --ground: #f6f8fa;
  --card: #ffffff; --border: #8c959f; --accent: #2f63d8; --tint: #ddebff; --on-accent: #ffffff; --on-soft: #dbe7ff; }
@media (prefers-color-scheme: dark) { :root { --text: #f0f6fc; --soft: #9ea7b3; --line: #8b949e; --frame: #3d444d;
  --ground: #151b23; --card: #212830; --border: #656c76; --accent: #3a6fe0; --tint: #16305c; --on-soft: #d5e3ff; } }
text { fill: var(--soft); font: 11px -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
.node text:first-of-type { fill: var(--text); font-size: 13px; font-weight: 600; }
.node > :is(path, polygon) { fill: var(--card); stroke: var(--border); }
.namespace > path { fill: var(--ground); stroke: var(--frame); stroke-dasharray: 5 4; }
.resource > path { fill: var(--tint); stroke: var(--accent); }
.operator > path { fill: var(--accent); stroke: var(--accent); }
.operator text:first-of-type { fill: var(--on-accent); }
.operator text { fill: var(--on-soft); }
.heading text:first-of-type { font-size: 12px; fill: var(--soft); }
.aside text:first-of-type { font-size: 11px; font-weight: 400; fill: var(--soft); }
.edge path { stroke: var(--line); stroke-width: 1.4; }
.edge polygon { fill: var(--line); stroke: var(--line); }
"""


def digest(source: str) -> str:
    """Return what the picture says it was drawn from: the text, and the colors."""
    return hashlib.sha256((source + _STYLE).encode()).hexdigest()


def picture(drawn: str, source: str) -> str:
    """Return Graphviz' SVG with our colors, without its version, and with the digest of what it was drawn from."""
    svg = drawn[drawn.index("<svg") :]
    svg = re.sub(r'<svg width="(\d+)pt" height="(\d+)pt"', r'<svg width="\1" height="\2"', svg, count=1)
    svg = re.sub(r"<!--.*?-->\n", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="edge.*?</g>', lambda edge: _with_label_beside(edge[0]), svg, flags=re.DOTALL)
    head, rest = svg.split(">\n", 1)
    return f"{head}>\n<!-- {digest(source)} -->\n<style>{_STYLE}</style>\n{rest}"


def _with_label_beside(edge: str) -> str:
    """Return a straight edge with its label above or right of its middle: Graphviz places it by the fonts it has."""
    xs, ys = zip(*((float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", edge)), strict=True)
    x, y = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    upright = max(ys) - min(ys) > max(xs) - min(xs)
    where = f'"start" x="{x + 8:.1f}" y="{y + 4:.1f}"' if upright else f'"middle" x="{x:.1f}" y="{y - 7:.1f}"'
    return re.sub(r'<text text-anchor="middle" x="[^"]*" y="[^"]*"', f"<text text-anchor={where}", edge)


def main() -> int:
    """Draw them; return the exit code."""
    try:
        require_packages({"dot": "graphviz"})
    except ClusterError as error:
        print(f"picture: {error}", file=sys.stderr)
        return error.exit_code
    for file in SOURCES:
        source = file.read_text("utf-8")
        command = ["dot", "-Kneato", "-n2", "-Tsvg"]
        drawn = subprocess.run(command, input=source, capture_output=True, encoding="utf-8", check=False)
        if drawn.returncode or drawn.stderr:
            print(f"picture: dot refuses {file.relative_to(ROOT)}: {drawn.stderr.strip()}", file=sys.stderr)
            return 1
        file.with_suffix(".svg").write_text(picture(drawn.stdout, source), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
