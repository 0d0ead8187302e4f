"""What the pages name is there: links, anchors, files, make targets, flags, fields; each command runs in some test."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.framework.documents import CLUSTER, PLANE, Block, blocks, pages
from tests.framework.rendered import ROOT

from inventory_operator import cli
from inventory_operator.api.metadata import KIND
from inventory_operator.api.stack import parse
from inventory_service.cli.parser import new_parser

if TYPE_CHECKING:
    from pathlib import Path

#: Our programs, and how many of the first words are commands.
PROGRAMS = {
    "inventory_operator": 1,
    "inventory_service": 2,
    "devcluster": 1,
    "dashboards.preview": 0,
    "tests.faults": 0,
} | {f"bench.{name}": 0 for name in ("engine", "service", "monitoring")}

#: Pages whose objects tests/integration/test_security_page.py applies, and tests/unit/test_gitops.py and
#: test_inventory_page.py read.
TRIED_ELSEWHERE = {"docs/security.md", "docs/gitops.md", "docs/kubectl-inventory.md"}

PARSERS = {"inventory_operator": cli.parser, "inventory_service": new_parser}


def named(item: Path | Block) -> str:
    return item.where if isinstance(item, Block) else item.relative_to(ROOT).as_posix()


def every(*languages: str) -> list[Block]:
    found = [block for page in pages() for block in blocks(page) if block.language in languages]
    assert found
    return found


def prose(page: Path) -> str:
    """The text of a page without its blocks."""
    text = re.sub(r"^( *)```.*?^\1```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^    .*$", "", text, flags=re.MULTILINE)


# Shell


@pytest.mark.parametrize("page", pages(), ids=named)
def test_every_block_of_commands_runs_or_says_why_not(page: Path) -> None:
    found = [block for block in blocks(page) if block.is_shell]
    assert [block.where for block in found if block.place not in {PLANE, CLUSTER, ""}] == []
    assert [block.where for block in found if not block.place and len(block.mark[1].split()) < 3] == []
    # The blocks where they are in the page, so that bash names its lines.
    lines = [""] * len(page.read_text("utf-8").splitlines())
    for block in found:
        text = block.text.splitlines()
        lines[block.line - 1 : block.line - 1 + len(text)] = text
    checked = subprocess.run(["bash", "-n"], input="\n".join(lines), capture_output=True, text=True, check=False)
    assert not checked.returncode, checked.stderr


def test_every_other_block_says_what_it_is() -> None:
    known = {"yaml", "json", "csv", "text", "promql", "", "sh"}
    assert [block.where for page in pages() for block in blocks(page) if block.language not in known] == []


@pytest.mark.parametrize("page", pages(), ids=named)
def test_every_mark_is_before_a_block_of_commands(page: Path) -> None:
    marks = re.findall(r"^ *<!-- (?:not )?run: .* -->$", page.read_text("utf-8"), re.MULTILINE)
    assert len(marks) == len([block for block in blocks(page) if block.mark[0] and block.is_shell])


def test_a_block_is_found_with_its_line_mark_and_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Say\n\n    one   # why\n    two \\\n      more\n\n    three\n\n<!-- not run: no such thing -->\n\n    four\n"
        "\n- point\n\n      five\n\n```json\n{}\n```\n"
    )
    monkeypatch.setattr("tests.framework.documents.ROOT", tmp_path)
    first, second, third, data = blocks(page)
    assert list(first.commands()) == [(3, "one   # why"), (4, "two \\\n  more"), (7, "three")]
    assert (first.line, first.place) == (3, PLANE)
    assert (second.line, second.text, second.mark, second.place) == (11, "four", ("not run", "no such thing"), "")
    assert (third.line, third.text) == (15, "five")
    assert (data.line, data.language, data.text, data.is_shell) == (18, "json", "{}", False)


# Data


@pytest.mark.parametrize("block", every("json"), ids=named)
def test_json_is_json(block: Block) -> None:
    assert json.loads(block.text)


@pytest.mark.parametrize("block", every("yaml"), ids=named)
def test_yaml_is_yaml_and_a_stack_can_be_followed(block: Block) -> None:
    for document in yaml.safe_load_all(block.text):
        stack = document if "spec" in document else {}
        if stack and stack.get("kind", KIND) == KIND:
            parse({"metadata": {"name": "shop"}, **_with_what_it_leans_on(stack)})
        elif block.page not in TRIED_ELSEWHERE:
            assert document.keys() <= {"apiVersion", "kind", "resources", "images", "patches"} | {
                *("metadata", "scrape_configs", "data")
            }


def _with_what_it_leans_on(stack: dict[str, Any]) -> dict[str, Any]:
    """The stack with the receiver that a fragment about escalation only names."""
    alerting = stack["spec"].get("alerting", {})
    to = alerting.get("escalation", {}).get("to")
    if to and to not in alerting.get("receivers", {}):
        alerting.setdefault("receivers", {})[to] = {"secretKeyRef": {"name": "shop-pager"}}
    return stack


# Names


@pytest.mark.parametrize("page", pages(), ids=named)
def test_every_path_between_backticks_exists(page: Path) -> None:
    tops = {path.name for path in ROOT.iterdir() if path.is_dir()} - {"build", ".venv"}
    found = set(re.findall(r"`([\w.-]+/[\w./*<>-]*)`", prose(page)))
    paths = {path for path in found if path.split("/")[0] in tops and not re.search(r"[<>*]", path)}
    forbidden = {"operator/__init__.py"}  # CONTRIBUTING.md says why it must not be there
    assert [path for path in sorted(paths - forbidden) if not (ROOT / path).exists()] == []


@cache
def help_of(module: str, *commands: str) -> str:
    """What a program of ours says of itself; a command that it does not have is an error."""
    if parser := PARSERS.get(module):
        # In this process, because starting another one takes a second of CPU.
        with redirect_stdout(StringIO()) as said, pytest.raises(SystemExit) as ended:
            parser().parse_args([*commands, "--help"])
        assert not ended.value.code
        return said.getvalue()
    words = [sys.executable, "-m", module, *commands, "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert not done.returncode, f"{' '.join(words)}: {done.stderr}"
    return done.stdout


def programs(page: Path) -> set[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Every `python -m` of ours in a page: the module, its commands, its flags."""
    code = "\n".join(re.findall(r"`([^`\n]+)`", prose(page)) + [block.text for block in blocks(page) if block.is_shell])
    found = set()
    for module, rest in re.findall(r"python3? -m (\w+(?:\.\w+)?)\b([^#\n|]*)", code):
        words = rest.split()
        if module in PROGRAMS:
            commands = tuple(word for word in words[: PROGRAMS[module]] if re.fullmatch(r"[a-z][a-z-]+", word))
            found.add((module, commands, tuple(word for word in words if word.startswith("--"))))
    return found


@pytest.mark.parametrize("page", [page for page in pages() if programs(page)], ids=named)
def test_the_commands_and_flags_of_our_programs_exist(page: Path) -> None:
    for module, commands, flags in programs(page):
        known = help_of(module, *commands)
        assert [flag for flag in flags if not re.search(rf"{flag}\b", known)] == []


# Links


def slug(title: str) -> str:
    """The anchor that GitHub gives a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


@cache
def anchors(page: Path) -> frozenset[str]:
    seen: dict[str, int] = {}
    found = set()
    for title in re.findall(r"^#+ +(.+?)(?: #+)?$", prose(page), re.MULTILINE):
        name = slug(title)
        count = seen[name] = seen.get(name, -1) + 1
        found.add(f"{name}-{count}" if count else name)
    return frozenset(found)


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Two or three Alertmanagers", "two-or-three-alertmanagers"),
        ("The `tests` folder: [why](x.md)?", "the-tests-folder-why"),
        ("Stalled: NameTaken", "stalled-nametaken"),
        ("CPU & memory", "cpu--memory"),
    ],
)
def test_a_slug_is_githubs(title: str, expected: str) -> None:
    assert slug(title) == expected


@pytest.mark.parametrize("page", [*pages()], ids=named)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    links = re.findall(r"\]\(<?([^)\s>]+)>?\)", re.sub(r"`[^`\n]*`", "", prose(page)))
    for target in links:
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert there.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(there), f"{target}: no such heading"
