"""GET /api/export/...: files that a spreadsheet may open, and that the import takes again."""

from __future__ import annotations

import csv
import io
import itertools
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from tests.framework.service_app import prepared_app
from tests.framework.service_database import copied_file

PRODUCTS = "/api/export/products"
MOVEMENTS = "/api/export/movements"


@pytest.fixture
def stock(client, product):
    """Two products, and three movements."""
    client.post("/api/products", json={"name": "=1+1", "sku": "-MINUS", "description": 'a "b",\r\nc', "price": 0.5})
    client.post(f"/api/products/{product['id']}/restock", json={"quantity": 5, "notes": "@home"})
    client.post(f"/api/products/{product['id']}/adjust", json={"delta": -2, "reason": "+broken"})
    return product


def test_products_as_csv(client, stock):
    answer = client.get(PRODUCTS)
    assert answer.status_code == 200
    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="products-20')
    assert answer.headers["Content-Disposition"].endswith('.csv"')
    assert answer.text == (
        "sku,name,description,stock_level,min_stock_threshold,price\r\n"
        "LAMP-1,Desk lamp,Warm light,23,10,19.99\r\n"
        '\'-MINUS,\'=1+1,"a ""b"",\r\nc",0,10,0.5\r\n'
    )


def test_products_as_json_lines(client, stock):
    answer = client.get(f"{PRODUCTS}?format=jsonl")
    assert answer.content_type == "application/x-ndjson"
    assert answer.headers["Content-Disposition"].endswith('.jsonl"')
    assert [json.loads(line) for line in answer.text.splitlines()] == [
        {"sku": "LAMP-1", "name": "Desk lamp", "description": "Warm light", "stock_level": 23,
         "min_stock_threshold": 10, "price": 19.99},
        {"sku": "-MINUS", "name": "=1+1", "description": 'a "b",\r\nc', "stock_level": 0,
         "min_stock_threshold": 10, "price": 0.5},
    ]  # fmt: skip


def test_movements_the_newest_first_and_numbers_as_numbers(client, stock):
    rows = list(csv.DictReader(io.StringIO(client.get(MOVEMENTS).text, newline="")))
    columns = ("sku", "kind", "delta", "balance_after", "reason", "low_stock_alert")
    assert [[row[column] for column in columns] for row in rows] == [
        ["LAMP-1", "adjustment", "-2", "23", "'+broken", "false"],
        ["LAMP-1", "restock", "5", "25", "'@home", "false"],
        ["LAMP-1", "opening", "20", "20", "", "false"],
    ]
    assert all(row["at"].endswith("+00:00") for row in rows)
    lines = [json.loads(line) for line in client.get(f"{MOVEMENTS}?format=jsonl").text.splitlines()]
    assert [line["delta"] for line in lines] == [-2, 5, 20]
    assert set(lines[0]) == set(rows[0])


def test_movements_of_one_product_and_since_a_time(client, stock):
    client.post("/api/products/2/restock", json={"quantity": 1})
    everything = [json.loads(line) for line in client.get(f"{MOVEMENTS}?format=jsonl").text.splitlines()]
    assert len(everything) == 4
    one = client.get(MOVEMENTS, query_string={"format": "jsonl", "product_id": 2}).text
    assert [json.loads(line)["sku"] for line in one.splitlines()] == ["-MINUS"]
    late = client.get(MOVEMENTS, query_string={"format": "jsonl", "since": everything[1]["at"]}).text
    assert [json.loads(line) for line in late.splitlines()] == everything[:2]


def test_the_ledger_of_a_deleted_product_stays(client, stock):
    client.delete(f"/api/products/{stock['id']}")
    assert len(client.get(MOVEMENTS).text.splitlines()) == 4
    assert "LAMP-1" not in client.get(PRODUCTS).text


def test_empty_exports(client):
    assert client.get(PRODUCTS).text == "sku,name,description,stock_level,min_stock_threshold,price\r\n"
    assert client.get(f"{PRODUCTS}?format=jsonl").text == ""
    assert client.get(MOVEMENTS).text.count("\r\n") == 1


def test_with_the_mark_that_spreadsheets_know_utf_8_by(client, stock):
    marked = client.get(f"{PRODUCTS}?bom=true").data
    assert marked == b"\xef\xbb\xbf" + client.get(PRODUCTS).data
    assert client.post("/api/import/products", data=marked, content_type="text/csv").json["unchanged"] == 2


@pytest.mark.parametrize("query", ["format=xlsx", "product_id=x", "since=yesterday", "bom=2"])
def test_a_bad_query(client, query):
    answer = client.get(f"{MOVEMENTS}?{query}")
    assert answer.status_code == 400
    assert answer.json["error"].startswith(f"{query.partition('=')[0]} must be ")


def test_every_batch_is_a_short_read(client, context):
    text = "sku,name,stock_level\n" + "".join(f"s-{number},Product {number},1\n" for number in range(1200))
    client.post("/api/import/products", data=text, content_type="text/csv")
    running, most = [], []

    @event.listens_for(context.database.engine, "checkout")
    def note(*_arguments):
        running.append(1)
        most.append(len(running))

    event.listen(context.database.engine, "checkin", lambda *_arguments: running.pop())
    for path, lines in ((PRODUCTS, 1201), (MOVEMENTS, 1201)):
        most.clear()
        answer = client.get(path, buffered=False)
        pieces = []
        for piece in answer.response:
            pieces.append(piece)
            assert not running  # no connection is held while the client takes its time
        assert b"".join(pieces).count(b"\r\n") == lines
        assert (max(most), len(most)) == (1, 4 if path == PRODUCTS else 3)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
inventories = st.lists(
    st.fixed_dictionaries(
        {
            "name": texts.map(lambda text: f"{text}x"),
            "description": texts,
            "stock_level": st.integers(0, 2**31 - 1),
            "price": st.integers(0, 10**13).map(lambda units: units / 10_000),
        }
    ),
    min_size=1,
    max_size=4,
)
_folders = itertools.count(1)


@pytest.mark.parametrize(("kind", "content_type"), [("csv", "text/csv"), ("jsonl", "application/x-ndjson")])
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(inventories)
def test_what_was_exported_can_be_imported(tmp_path, migrated_sqlite, kind, content_type, inventory):
    """Into an empty inventory it makes the same products; into its own it changes nothing."""
    folder = tmp_path / str(next(_folders))
    folder.mkdir()
    here, there = (copied_file(migrated_sqlite, folder, name) for name in ("a.db", "b.db"))
    with prepared_app(here) as app, prepared_app(there) as other:
        client, elsewhere = app.test_client(), other.test_client()
        for number, fields in enumerate(inventory):
            answer = client.post("/api/products", json={"sku": f"-s-{number}", **fields})
            assert answer.status_code == 201, answer.text
        exported = client.get(f"{PRODUCTS}?format={kind}").data
        again = client.post("/api/import/products", data=exported, content_type=content_type).json
        assert again | {"unchanged": len(inventory), "updated": 0, "created": 0} == again
        assert elsewhere.post("/api/import/products", data=exported, content_type=content_type).status_code == 200
        assert elsewhere.get(f"{PRODUCTS}?format={kind}").data == exported
