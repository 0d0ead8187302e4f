"""The pages of an import without a browser: what the preview carries, and files and forms that are not whole."""

from __future__ import annotations

import gzip
import io
import random
import re
import string

import pytest
from tests.framework.service_app import prepared_app

from inventory_service.web.carried_file import CarriedFile

FILE = "sku,name,stock_level\nLAMP-1,Größe ✓,15\nLAMP-2,Floor lamp,3\n"


def preview(client, content, name="autumn.csv"):
    content = content.encode() if isinstance(content, str) else content
    return client.post("/import", data={"file": (io.BytesIO(content), name)})


def carried(page):
    """Return the fields of the form on the page."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))


def confirm(client, fields, **options):
    return client.post("/import/confirm", data=fields, content_type="multipart/form-data", **options)


def products(client):
    return client.get("/api/products").json["products"]


@pytest.fixture
def fields(client):
    answer = preview(client, FILE)
    assert answer.status_code == 200
    return carried(answer)


def test_the_page_carries_the_file(client, fields):
    assert products(client) == []
    answer = confirm(client, fields)
    assert (answer.status_code, answer.location) == (303, "/?done=imported&created=2&updated=0&unchanged=0")
    assert [product["name"] for product in products(client)] == ["Größe ✓", "Floor lamp"]
    assert client.get("/api/movements").json["movements"][0]["reference"] == "autumn.csv"


def test_a_form_that_is_sent_twice_is_done_once(client, fields):
    assert confirm(client, fields).location == confirm(client, fields).location
    assert len(client.get("/api/movements").json["movements"]) == 2
    other = carried(preview(client, FILE.replace("15", "16")))
    answer = confirm(client, other | {"form_key": fields["form_key"]})
    assert answer.status_code == 409
    assert "This form was sent before with other values" in answer.text


def test_a_file_that_cant_be_compressed(client):
    letters = random.Random(1).choices(string.ascii_letters + string.digits, k=300_000)
    rows = ["".join(letters[start : start + 1000]) for start in range(0, len(letters), 1000)]
    content = "sku,name,description\n" + "".join(f"s-{number:04},Lamp,{row}\n" for number, row in enumerate(rows))
    assert confirm(client, carried(preview(client, content))).status_code == 303
    assert [product["description"] for product in products(client)] == rows


def test_json_lines_by_the_name_of_the_file(client):
    fields = carried(preview(client, '{"sku": "LAMP-1", "name": "Lamp"}\n', "files/stock.JSONL"))
    assert fields["file_name"] == "stock.JSONL"
    assert confirm(client, fields).status_code == 303


def test_no_file(client):
    for answer in (preview(client, ""), client.post("/import", data={}, content_type="multipart/form-data")):
        assert answer.status_code == 400
    assert "Choose a file" in preview(client, "").text


@pytest.mark.parametrize("path", ["/import", "/import/confirm"])
def test_a_form_without_its_end_changes_nothing(client, fields, path):
    head = "--x\r\nContent-Disposition: form-data; name="
    parts = [f"{head}{name}\r\n\r\n{text}\r\n" for name, text in fields.items()]
    whole = "".join([*parts, f"{head}file; filename=a.csv\r\n\r\n{FILE}\r\n"])
    cut = [whole, whole[:-20], whole[:60], "no form", f"{whole}--x"]
    for body in cut:
        answer = client.post(path, data=body, content_type="multipart/form-data; boundary=x")
        assert answer.status_code == 400
        assert "The form is not complete" in answer.text
    assert client.post(path, data={"file": FILE}).status_code == 400
    assert products(client) == []
    assert client.post(path, data=f"{whole}--x--\r\n", content_type="multipart/form-data; boundary=x").status_code < 400


@pytest.mark.parametrize("packed", ["", "x", "%%%%", "QUJD", "remove", "cut", "more"])
def test_what_the_page_did_not_carry(client, fields, packed):
    whole = fields.pop("packed")
    texts = {"cut": whole[:-8], "more": f"{whole}QUJD"}
    answer = confirm(client, fields if packed == "remove" else {**fields, "packed": texts.get(packed, packed)})
    assert answer.status_code == 400
    assert "The form is not complete" in answer.text
    assert products(client) == []


def test_the_limit_counts_what_is_unpacked(database_url):
    with prepared_app(database_url, IMPORT_MAX_BYTES="2048") as app:
        client = app.test_client()
        assert preview(client, FILE.encode().ljust(2048)).status_code == 200
        assert preview(client, FILE.encode().ljust(2049)).status_code == 413
        assert preview(client, "x" * 2**18).status_code == 413
        bomb = CarriedFile(2**20)
        bomb.write(b"sku,name\n" + b"\n" * 2**19)
        bomb.parse("")
        fields = carried(preview(client, FILE))
        assert confirm(client, fields | {"packed": "".join(bomb.pieces())}).status_code == 413
        assert confirm(client, fields | {"file_name": "x" * 70_000}).status_code == 413
        assert confirm(client, fields).status_code == 303


def test_a_product_that_was_deleted_since_the_preview(client, product):
    fields = carried(preview(client, "sku,price\nLAMP-1,5\n"))
    client.delete(f"/api/products/{product['id']}")
    answer = confirm(client, fields)
    assert answer.status_code == 409
    assert "deleted meanwhile" in answer.text


def test_it_is_packed_as_gzip_does():
    file = CarriedFile(100)
    file.write(FILE.encode())
    assert len(file.parse("a.csv").staged.rows) == 2
    assert gzip.decompress(file._packed.getvalue()).decode() == FILE
