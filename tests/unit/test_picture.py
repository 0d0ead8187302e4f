"""The pictures of the documents are in step with their texts; no Graphviz is needed to tell."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from tests.framework.rendered import ROOT

import picture

if TYPE_CHECKING:
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"


each = pytest.mark.parametrize("source", picture.SOURCES, ids=[source.stem for source in picture.SOURCES])


def drawn(source: Path) -> str:
    return source.with_suffix(".svg").read_text("utf-8")


def statements(source: Path) -> dict[str, str]:
    """Return nodes and edges of the text, as Graphviz titles them, with their labels."""
    found = re.findall(r"^  (\w+(?: -> \w+)?)(?: \[(.*)\])?$", source.read_text("utf-8"), re.MULTILINE)
    labels = {name: re.search(r'label="([^"]*)"', attributes) for name, attributes in found}
    defaults = {"graph", "node", "edge"}
    return {name.replace(" ", ""): label[1] if label else "" for name, label in labels.items() if name not in defaults}


@each
def test_the_picture_was_drawn_from_this_text(source: Path) -> None:
    assert f"<!-- {picture.digest(source.read_text('utf-8'))} -->" in drawn(source), "run make picture"


@each
def test_every_node_edge_and_label_of_the_text_is_in_the_picture(source: Path) -> None:
    groups = {group.findtext(f"{SVG}title"): group for group in ET.fromstring(drawn(source)).iter(f"{SVG}g")}
    shown = {
        name: "\\n".join(text.text or "" for text in group.iter(f"{SVG}text"))
        for name, group in groups.items()
        if name is not None and name != source.stem
    }
    assert len(shown) > 15
    assert shown == statements(source)


@each
def test_the_picture_suits_light_and_dark_pages(source: Path) -> None:
    style = ET.fromstring(drawn(source)).findtext(f"{SVG}style") or ""
    light, _, dark = style.partition("prefers-color-scheme: dark")
    assert dark
    used = set(re.findall(r"var\((--[\w-]+)\)", style))
    assert used
    assert used <= set(re.findall(r"(--[\w-]+):", light))
    same = {"--on-accent"}  # white on blue, on both
    assert used - same <= set(re.findall(r"(--[\w-]+):", dark))


@pytest.mark.parametrize(
    ("page", "target", "parts"),
    [
        (
            "README.md",
            "docs/architecture.svg",
            "InventoryStack operator service database Prometheus Alertmanager Grafana",
        ),
        (
            "docs/architecture.md",
            "rooms.svg",
            "runtime controller observe plan execute report status components cache kube",
        ),
    ],
)
def test_a_page_shows_it_and_says_it_in_words(page: str, target: str, parts: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    found = re.search(rf"^!\[(.{{200,}})\]\({re.escape(target)}\)$", text, re.MULTILINE)
    assert found, "the page has no picture with a text for those who can't see it"
    assert [part for part in parts.split() if part not in html.unescape(found[1])] == []


@pytest.mark.parametrize(
    ("edge", "expected"),
    [
        (
            '<path d="M0,-10C5,-10 8,-10 10,-10"/><text text-anchor="middle" x="1" y="2">a</text>',
            '"middle" x="5.0" y="-17.0"',
        ),
        (
            '<path d="M3,-10C3,-5 3,-2 3,0"/><text text-anchor="middle" x="1" y="2">a</text>',
            '"start" x="11.0" y="-1.0"',
        ),
    ],
    ids=["above", "right"],
)
def test_a_label_is_beside_the_middle_of_its_edge(edge: str, expected: str) -> None:
    svg = f'<?xml?>\n<svg width="10pt" height="20pt">\n<!-- by a version -->\n<g id="edge1">{edge}</g>\n</svg>\n'
    result = picture.picture(svg, "text")
    assert f"<text text-anchor={expected}>a</text>" in result
    assert '<svg width="10" height="20">' in result
    assert "version" not in result
    assert picture.digest("text") in result
