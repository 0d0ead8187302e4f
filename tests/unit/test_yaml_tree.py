"""YAML as a tree of texts: what is refused with its line, and that what is written is what was read."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from inventory_operator.checks.yaml_tree import DEEPEST, MOST, RefusedError, read, write

#: 379 bytes, 9**7 values.
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("# only a comment", "is empty"),
        ("a: 1\n---\nb: 2", "line 2: a second document"),
        ("&a [*a]", "line 1: an anchor"),
        ("a: 1\nb: *hunter2", "line 2: an alias"),
        (BOMB, "line 1: an anchor"),
        ("a:\n  - !!str hunter2", "line 2: a tag"),
        ("a: ! hunter2", "a tag"),
        ("? !!binary aGk=\n: x", "a tag"),
        ("a: 1\n<<: {hunter2: 1}", "line 2: a merge"),
        ('"<<": {hunter2: 1}', "a merge"),
        ("hunter2: 1\n'hunter2': 2", "line 2: a key is twice"),
        ("? [hunter2]\n: x", "a list or a mapping is not allowed as a key"),
        ("~: x", "a key is empty"),
        ("a:\n " + "[" * DEEPEST + "]" * DEEPEST, f"line 2: nested deeper than {DEEPEST} levels"),
        ("- " * 300_000, "nested deeper"),
        ("[" * 700_000, "nested deeper"),
        ("{a: " * 100_000, "nested deeper"),
        ("[" + "a," * MOST + "]", f"more than {MOST:,} keys and values"),
        ("a: b: hunter2", "line 1: is not valid YAML: mapping values are not allowed in this context"),
        ("a: 1\nb: 'hunter2\n\n\n", "line 2: is not valid YAML: while scanning a quoted scalar"),
        ("a:\n\thunter2: 1", "line 2: is not valid YAML"),
        ("ä: 1\nb: hunter2\x01", "line 2: is not valid YAML: control characters are not allowed"),
        ("%HUNTER2 a\n---\na: 1", "is not valid YAML"),
    ],
)
def test_what_is_refused(text: str, words: str) -> None:
    with pytest.raises(RefusedError) as refused:
        read(text)
    assert words in str(refused.value)
    assert "hunter2" not in str(refused.value).lower()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a: 1:30", "a: 1:30\n"),
        ("a: '1:30'", 'a: "1:30"\n'),
        ("yes: 010", "yes: 010\n"),
        ("a: ~\nb:\nc: ''", 'a: null\nb: null\nc: ""\n'),
        ("a: one\n  two\n\n  three", 'a: "one two\\nthree"\n'),
        ("a: |\n  one\n  two\n", 'a: "one\\ntwo\\n"\n'),
        ("# words\n{a: [1, {b: ü}], c: {}, d: []}", 'a:\n- 1\n- b: "ü"\nc: {}\nd: []\n'),
        ("- - 1\n  - 2", "- - 1\n  - 2\n"),
        ("a: " + "x " * 300 + "y", "a: " + "x " * 300 + "y\n"),
        ("%YAML 1.1\n--- # words\nplain\n...\n", "plain\n"),
    ],
)
def test_what_is_written(text: str, written: str) -> None:
    assert write(read(text))[0] == written


_TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)
_TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(_TEXTS.filter(lambda key: key != "<<"), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(_TREES, st.booleans())
def test_what_is_written_is_read_as_the_same(tree: object, flow: bool) -> None:
    text = yaml.safe_dump(tree, default_flow_style=flow, allow_unicode=True)
    written, lines = write(read(text))
    assert yaml.safe_load(written) == yaml.safe_load(text)
    assert write(read(written))[0] == written
    # YAML knows five line breaks; splitlines of Python more than these.
    breaks = len(re.findall("\r\n|[\r\n\x85\u2028\u2029]", text))
    assert all(1 <= line <= breaks + 1 for line in lines.values())
