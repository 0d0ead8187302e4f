"""POST /api/import/products: all or nothing, with the ledger, on both databases."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import event, select
from tests.framework.service_app import prepared_app

from inventory_service.db.models import Product, StockMovement
from inventory_service.importexport.rows import MAX_ERRORS

PATH = "/api/import/products"
FILE = "sku,name,stock_level,price\nLAMP-1,Desk lamp,15,19.99\nLAMP-2,Floor lamp,3,\nLAMP-3,Night lamp,,5\n"


def send(client, text, query="", content_type="text/csv", **options):
    return client.post(f"{PATH}{query}", data=text, content_type=content_type, **options)


def by_sku(client):
    return {product["sku"]: product for product in client.get("/api/products").json["products"]}


def ledger(context):
    with context.database.reading() as session:
        lines = session.scalars(select(StockMovement).order_by(StockMovement.id)).all()
    return [(line.kind, line.delta, line.balance_after, line.reason, line.reference) for line in lines]


def versions(context):
    with context.database.reading() as session:
        return dict(session.execute(select(Product.sku, Product.version)).all())


def test_creates_changes_and_leaves_alone(client, context, product):
    answer = send(client, FILE, "?file_name=autumn.csv")
    assert answer.status_code == 200, answer.text
    expected = {"success": True, "dry_run": False, "created": 2, "updated": 1, "unchanged": 0, "errors": []}
    assert answer.json == expected
    found = by_sku(client)
    assert found["LAMP-1"] == product | {"stock_level": 15, "updated_at": found["LAMP-1"]["updated_at"]}
    new = {"name": "Night lamp", "description": "", "stock_level": 0, "min_stock_threshold": 10, "price": 5.0}
    assert found["LAMP-3"] | new == found["LAMP-3"]
    assert found["LAMP-2"]["is_low_stock"]
    assert ledger(context) == [
        ("opening", 20, 20, "", None),
        ("count", -5, 15, "import", "autumn.csv"),
        ("opening", 3, 3, "import", "autumn.csv"),
    ]


def test_the_same_again_touches_nothing(client, context, product):
    send(client, FILE)
    before, lines, products = versions(context), ledger(context), by_sku(client)
    answer = send(client, FILE)
    assert answer.json | {"updated": 0, "unchanged": 3} == answer.json
    assert (versions(context), ledger(context), by_sku(client)) == (before, lines, products)


def test_a_dry_run_says_the_same_and_does_nothing(client, context, product):
    answer = send(client, FILE, "?dry_run=true")
    assert answer.json == {
        "success": True, "dry_run": True, "created": 2, "updated": 1, "unchanged": 0, "errors": []
    }  # fmt: skip
    assert versions(context) == {"LAMP-1": 1}
    assert len(ledger(context)) == 1


def test_json_lines(client, context, product):
    text = '{"sku": "LAMP-1", "description": ""}\n{"sku": "LAMP-9", "name": "New", "stock_level": 2}\n'
    assert send(client, text, content_type="application/x-ndjson").json["created"] == 1
    assert by_sku(client)["LAMP-1"]["description"] == ""
    assert versions(context) == {"LAMP-1": 2, "LAMP-9": 1}


def test_one_bad_row_and_nothing_is_done(client, context, product):
    answer = send(client, FILE + "LAMP-4,,1,-2\nLAMP-1,again,1,1\n")
    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"
    problem = answer.json
    assert problem["success"] is False
    assert problem["type"] == "urn:inventorystack:problem:import-refused"
    assert problem["error"] == (
        "Nothing was imported. Line 5: price must be a number from 0 to 1000000000. There is 1 other error."
    )
    assert problem["errors"] == [
        {"line": 5, "field": "price", "error": "price must be a number from 0 to 1000000000."},
        {"line": 6, "field": "sku", "error": "sku LAMP-1 is in line 2 already; a product may be there once."},
    ]
    assert (problem["total_errors"], problem["created"], problem["updated"]) == (2, 0, 0)
    assert versions(context) == {"LAMP-1": 1}


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
def test_a_new_product_needs_a_name(client, context, product, query):
    answer = send(client, "sku,price\nLAMP-1,1\nLAMP-2,2\nLAMP-3,3\n", query)
    sentence = "name is required: a text of 1 to 255 characters, not blank."
    assert answer.status_code == 400
    assert answer.json["errors"] == [{"line": line, "field": "name", "error": sentence} for line in (3, 4)]
    assert versions(context) == {"LAMP-1": 1}


def test_at_most_so_many_errors_are_listed(client):
    problem = send(client, "sku,price\n" + "".join(f"s-{number},x\n" for number in range(MAX_ERRORS + 7))).json
    assert (len(problem["errors"]), problem["total_errors"]) == (MAX_ERRORS, MAX_ERRORS + 7)


def test_crossings_count_as_in_every_other_change(database_url):
    with prepared_app(database_url, LOW_STOCK_HYSTERESIS="5") as app:
        client = app.test_client()
        # Above; at the threshold: fires; within the hysteresis: rearms not; below again; far above; out: fires both.
        for level in (20, 10, 14, 9, 16, 0):
            assert send(client, f"sku,name,stock_level\nLAMP-1,Lamp,{level}\n").status_code == 200
        # The same changes by PUT, product by product.
        other = client.post("/api/products", json={"name": "Lamp", "sku": "LAMP-2", "stock_level": 20}).json["product"]
        for level in (10, 14, 9, 16, 0):
            client.put(f"/api/products/{other['id']}", json={"stock_level": level})
        with app.extensions["inventory_service"].database.reading() as session:
            columns = (
                Product.low_stock_alerts,
                Product.out_of_stock_alerts,
                Product.update_operations,
                Product.version,
            )
            counts = session.execute(select(*columns).order_by(Product.id)).all()
            flags = [
                session.execute(
                    select(StockMovement.delta, StockMovement.low_stock_alert, StockMovement.out_of_stock_alert)
                    .where(StockMovement.product_id == each)
                    .order_by(StockMovement.id)
                ).all()
                for each in (1, 2)
            ]
    assert counts[0] == counts[1] == (2, 1, 5, 6)
    assert flags[0] == flags[1]


def test_the_threshold_may_change_with_the_stock(client, context, product):
    send(client, "sku,stock_level,min_stock_threshold\nLAMP-1,18,18\n")
    with context.database.reading() as session:
        row = session.scalars(select(Product)).one()
    assert (row.low_stock_alerts, row.low_stock_since) == (1, row.updated_at)


def test_more_products_than_one_batch(client, context):
    rows = [f"s-{number},Product {number},{number}" for number in range(2300)]
    assert send(client, "\n".join(["sku,name,stock_level", *rows])).json["created"] == 2300
    changed = [row if number % 2 else f"{row}0" for number, row in enumerate(rows)]
    answer = send(client, "\n".join(["sku,name,stock_level", *changed]))
    assert (answer.json["updated"], answer.json["unchanged"]) == (1149, 1151)  # 0 and 00 are the same
    found = by_sku(client)
    assert [found[f"s-{number}"]["stock_level"] for number in range(6)] == [0, 1, 20, 3, 40, 5]
    assert len(ledger(context)) == 2299 + 1149


def test_a_product_that_was_deleted_is_a_new_one(client, context, product):
    client.delete(f"/api/products/{product['id']}")
    assert send(client, "sku,name,stock_level\nLAMP-1,Another,1\n").json["created"] == 1
    assert by_sku(client)["LAMP-1"]["id"] != product["id"]


@pytest.mark.parametrize("content_type", ["application/json", "", "text/csv; charset=latin-1", "multipart/form-data"])
def test_the_type_must_say_what_it_is(client, content_type):
    answer = send(client, FILE, content_type=content_type)
    assert answer.status_code == 415
    assert answer.json["error"] == "The file must be text/csv or application/x-ndjson in UTF-8, by its Content-Type."


def test_a_compressed_file_is_refused(client):
    assert send(client, FILE, headers={"Content-Encoding": "gzip"}).status_code == 415


@pytest.mark.parametrize("query", ["?dry_run=perhaps", "?file_name=", f"?file_name={'x' * 256}"])
def test_a_bad_query(client, query):
    answer = send(client, FILE, query)
    assert answer.status_code == 400
    assert "must be" in answer.json["error"]


def test_the_size_limit_is_a_setting(database_url):
    with prepared_app(database_url, IMPORT_MAX_BYTES="2048", MAX_BODY_BYTES="1024") as app:
        client = app.test_client()
        text = "sku,name\n" + "".join(f"s-{number:03},Lamp\n" for number in range(181))
        assert send(client, text[:2000].ljust(2048)).status_code == 200
        answer = send(client, text[:2000].ljust(2049))
    assert answer.status_code == 413
    assert answer.json["error"]


def test_one_idempotency_key_imports_once(client, context):
    headers = {"Idempotency-Key": "autumn"}
    text = "sku,name,stock_level\nLAMP-1,Lamp,5\n"
    first = send(client, text, headers=headers)
    client.post("/api/products/1/restock", json={"quantity": 3})
    again = send(client, text, headers=headers)
    assert (again.status_code, again.json, again.headers["Idempotency-Replayed"]) == (200, first.json, "true")
    assert by_sku(client)["LAMP-1"]["stock_level"] == 8
    assert send(client, text + "LAMP-2,x,1\n", headers=headers).status_code == 422
    assert send(client, text, "?file_name=x", headers=headers).status_code == 422


def test_who_creates_a_product_meanwhile_wins(cluster, migrated_postgresql):
    """The import reads which products exist; just before it creates the others, another client does."""
    with prepared_app(cluster.patient_url(migrated_postgresql)) as app:
        client, other = app.test_client(), app.test_client()
        meanwhile = [{"name": "Faster", "sku": "LAMP-2"}]

        @event.listens_for(app.extensions["inventory_service"].database.engine, "before_cursor_execute")
        def race(_connection, _cursor, statement, *_arguments):
            if statement.startswith("INSERT INTO products") and meanwhile:
                other.post("/api/products", json=meanwhile.pop())

        answer = send(client, "sku,name\nLAMP-1,Slower\nLAMP-2,Slower\n")
        assert answer.status_code == 409
        assert answer.json["type"] == "urn:inventorystack:problem:import-conflict"
        assert {sku: product["name"] for sku, product in by_sku(client).items()} == {"LAMP-2": "Faster"}
        assert send(client, "sku,name\nLAMP-1,Slower\nLAMP-2,Slower\n").json["created"] == 1


def test_the_document_knows_the_files(client):
    paths = client.get("/openapi.json").json["paths"]
    operation = paths["/api/import/products"]["post"]
    assert set(operation["requestBody"]["content"]) == {"text/csv", "application/x-ndjson"}
    refused = operation["responses"]["400"]["content"]["application/problem+json"]["schema"]
    assert "ImportProblem" in json.dumps(refused)
    assert {"409", "413", "415", "422"} <= set(operation["responses"])
    assert set(paths["/api/export/products"]["get"]["responses"]["200"]["content"]) == {
        "text/csv", "application/x-ndjson"
    }  # fmt: skip
