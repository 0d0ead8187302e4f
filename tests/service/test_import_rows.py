"""Files read into rows: what is taken, what is refused, and on which line."""

from __future__ import annotations

import io
import json
from decimal import Decimal

import pytest
from hypothesis import example
from hypothesis import given as for_all
from hypothesis import strategies as st

from inventory_service.db.models import PRICE_SCALE
from inventory_service.importexport import formulas, reading, writing
from inventory_service.importexport.rows import FIELDS, MAX_ERRORS, MAX_ROWS

HEADER = "sku,name,description,stock_level,min_stock_threshold,price\n"


def parsed(text, content_type="text/csv"):
    return reading.read(io.BytesIO(text if isinstance(text, bytes) else text.encode()), content_type)


def errors(text, content_type="text/csv"):
    found = parsed(text, content_type)
    assert found.total_errors == len(found.errors)
    return [(each.line, each.field, each.error) for each in found.errors]


def rows(text, content_type="text/csv"):
    found = parsed(text, content_type)
    assert found.errors == []
    return {row.line: given(row) for row in found.staged.rows.values()}


def given(row):
    """Return what a staged row holds, as the schema gave it."""
    values = dict(zip(FIELDS, json.loads(row.values), strict=True))
    assert row.named == (values["name"] is not None)
    found = {name: value for name, value in values.items() if value is not None}
    return found | ({"price": Decimal(found["price"]) / PRICE_SCALE} if "price" in found else {})


def test_all_columns():
    assert rows(HEADER + "LAMP-1,Desk lamp,Warm light,20,5,19.99\n") == {
        2: {
            "sku": "LAMP-1", "name": "Desk lamp", "description": "Warm light", "stock_level": 20,
            "min_stock_threshold": 5, "price": Decimal("19.9900"),
        }
    }  # fmt: skip


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_any_line_end_with_and_without_a_byte_order_mark(end, mark):
    text = end.join(["sku,name", 'LAMP-1,"two', 'lines"', "LAMP-2,Größe ✓"])
    found = rows(mark + text.encode())
    assert found == {2: {"sku": "LAMP-1", "name": f"two{end}lines"}, 4: {"sku": "LAMP-2", "name": "Größe ✓"}}


def test_the_columns_in_any_order_and_some_of_them():
    assert rows(" Price , SKU \n7,LAMP-1\n") == {2: {"sku": "LAMP-1", "price": Decimal(7)}}


def test_blank_cells_and_rows_say_nothing():
    assert rows(HEADER + "LAMP-1,,,,,\n\n ,,,,,\nLAMP-2, , , 3 , ,\n") == {
        2: {"sku": "LAMP-1"},
        5: {"sku": "LAMP-2", "description": " ", "stock_level": 3},
    }


@pytest.mark.parametrize(
    "cell", ["-1", "1.0", "1,5", "soon", "2147483648", "1e3", "0x10", "1_000", "٣", "+1", "9" * 5000]
)
def test_a_bad_stock(cell):
    sentence = "stock_level must be a whole number from 0 to 2147483647."
    assert errors(f'sku,stock_level\nLAMP-1,"{cell}"\n') == [(2, "stock_level", sentence)]


@pytest.mark.parametrize("cell", ["-0.01", "12,50", "free", "1000000001", "nan", "inf", "1e3", "."])
def test_a_bad_price(cell):
    assert errors(f'sku,price\nLAMP-1,"{cell}"\n') == [(2, "price", "price must be a number from 0 to 1000000000.")]


def test_every_error_of_every_row_with_its_line():
    text = HEADER + f'LAMP-1,"a\nb",,-1,x,\n!,ok,,,,\n,no sku,,,,\nLAMP-2,{"n" * 256},{"d" * 1001},,,\n'
    whole = "must be a whole number from 0 to 2147483647."
    sku = "a text of 3 to 20 characters out of A-Z a-z 0-9 - _."
    assert errors(text) == [
        (2, "stock_level", f"stock_level {whole}"),
        (2, "min_stock_threshold", f"min_stock_threshold {whole}"),
        (4, "sku", f"sku must be {sku}"),
        (5, "sku", f"sku is required: {sku}"),
        (6, "name", "name must be a text of 1 to 255 characters, not blank."),
        (6, "description", "description must be a text of at most 1000 characters."),
    ]


def test_a_sku_twice():
    assert errors("sku,name\nLAMP-1,a\nLAMP-2,b\nLAMP-1,c\n") == [
        (4, "sku", "sku LAMP-1 is in line 2 already; a product may be there once.")
    ]


@pytest.mark.parametrize(("row", "cells"), [("LAMP-1", 1), ("LAMP-1,a,b", 3)])
def test_ragged_rows(row, cells):
    assert errors(f"sku,name\n{row}\nLAMP-2,fine\n") == [(2, None, f"The row has {cells} cells, the header row has 2.")]


@pytest.mark.parametrize(
    ("text", "line", "field", "words"),
    [
        ("", 1, "sku", "the file is empty"),
        ("name,price\nLamp,1\n", 1, "sku", "the header row has name, price"),
        ("sku,colour\nLAMP-1,red\n", 1, "colour", "'colour' is not a field of a product; expected one of sku, name, "),
        ("sku,name,\nLAMP-1,a,\n", 1, "", "'' is not a field of a product"),
        ("sku,name,Sku\nLAMP-1,a,b\n", 1, "sku", "The column sku is there twice."),
        ("sku;name\nLAMP-1;a\n", 1, None, "those of the header row are by semicolons"),
        ("sku\tname\nLAMP-1\ta\n", 1, None, "those of the header row are by tabs"),
        (
            'sku,name\nLAMP-1,a\nLAMP-2,"open\nand\nopen',
            3,
            None,
            'The quote (") that opens a cell of this row is never',
        ),
        ('sku,name\nLAMP-1,"a" b\n', 2, None, "a comma must follow"),
        (b"sku,name\nLAMP-1,a\nLAMP-2,Gr\xf6\xdfe\n", 3, None, "The line is not UTF-8 text"),
        ("sku,name\nLAMP-1,a\n".encode("utf-16"), 1, None, "The line is not UTF-8 text"),
        ("sku,name\nLAMP-1,a\0b\n", 2, None, "The line holds a NUL character"),
        (f"sku,name\nLAMP-1,{'x' * 70_000}\n", 2, None, "The line has 65536 characters or more"),
        ('sku,name\nLAMP-1,"' + f"{'x' * 60_000}\n" * 3 + '"\n', 2, None, "A cell is longer than any field can be"),
    ],
)
def test_what_ends_the_reading(text, line, field, words):
    found = errors(text)
    assert [each[:2] for each in found] == [(line, field)]
    assert words in found[0][2]


def test_only_the_first_errors_are_listed_and_all_are_counted():
    found = parsed("sku\n" + "!\n" * (MAX_ERRORS + 50))
    assert (len(found.errors), found.total_errors) == (MAX_ERRORS, MAX_ERRORS + 50)


def test_too_many_rows():
    found = parsed("sku\n" + "".join(f"s-{number}\n" for number in range(MAX_ROWS + 1)))
    assert [(each.line, each.error) for each in found.errors] == [
        (MAX_ROWS + 2, f"There are more than {MAX_ROWS} rows; split the file.")
    ]


def test_json_lines():
    text = (
        '\n{"sku": "LAMP-1", "name": "Größe", "price": 1, "stock_level": 3}\r\n{"sku": "LAMP-2", "description": null}\n'
    )
    assert rows(text, "application/x-ndjson") == {
        2: {"sku": "LAMP-1", "name": "Größe", "price": Decimal(1), "stock_level": 3},
        3: {"sku": "LAMP-2", "description": ""},
    }


@pytest.mark.parametrize(
    ("line", "field", "words"),
    [
        ("sku,name", None, "The line must be a JSON object: expected"),
        ("[1]", None, "The line must be a JSON object."),
        ('{"sku": "LAMP-1", "stock_level": "3"}', "stock_level", "must be a whole number"),
        ('{"sku": "LAMP-1", "price": true}', "price", "must be a number"),
        ('{"sku": "LAMP-1", "name": null}', "name", "must be a text"),
        ('{"name": "a"}', "sku", "sku is required"),
        ('{"sku": "LAMP-1", "id": 7}', "id", "'id' is not a field of a product"),
        ('{"sku": "LAMP-1", "name": "\\ud800"}', None, "The line must be a JSON object"),
        ("[" * 5000, None, "The line must be a JSON object"),
    ],
)
def test_bad_json_lines_don_t_hide_later_ones(line, field, words):
    found = errors(f'{line}\n{{"sku": "!"}}\n', "application/x-ndjson")
    assert [each[:2] for each in found] == [(1, field), (2, "sku")]
    assert words in found[0][2]


def test_the_stream_stays_open():
    stream = io.BytesIO(b"sku\n")
    reading.read(stream, "text/csv")
    assert not stream.closed


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)


@for_all(
    st.one_of(cells, cells.map("'".__add__), st.sampled_from("=+-@\t\r'").flatmap(lambda sign: cells.map(sign.__add__)))
)
@example("'=1")
@example("' =1")
def test_an_escape_can_be_taken_back(text):
    cell = formulas.escape(text)
    assert formulas.unescape(cell) == text
    assert cell.lstrip()[:1] not in {*"=+-@\uff1d\uff0b\uff0d\uff20"}
    assert cell[:1] not in {*"\t\r\n"}


products = st.fixed_dictionaries(
    {
        "name": cells.filter(str.strip),
        "description": cells,
        "stock_level": st.integers(0, 2**31 - 1),
        "min_stock_threshold": st.integers(0, 2**31 - 1),
        "price": st.integers(0, 10**13).map(lambda units: Decimal(units) / 10_000),
    }
)
skus = st.from_regex(r"[A-Za-z0-9_-]{3,20}", fullmatch=True)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@for_all(st.dictionaries(skus, products, max_size=5))
def test_what_is_written_is_read_again(kind, inventory):
    written = [{"sku": sku, **fields} for sku, fields in inventory.items()]
    text = "".join(writing.WRITERS[kind](FIELDS, [written[:2], written[2:]]))
    found = parsed(text.encode(), writing.CONTENT_TYPES[kind].partition(";")[0])
    assert found.errors == []
    # An empty cell says nothing: a new product gets the default then, which is the empty text.
    assert [{"description": "", **given(row)} for row in found.staged.rows.values()] == written
