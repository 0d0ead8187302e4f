"""The page about the API says all that the OpenAPI document says, and needs nothing from anywhere else."""

from __future__ import annotations

import re
import shlex
from html import unescape

import pytest
from tests.framework.service_app import prepared_app
from tests.framework.service_database import copied_file


@pytest.fixture
def text(client):
    answer = client.get("/docs")
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    return unescape(answer.text)


def section(text, operation):
    found = re.search(rf'<section class="operation" aria-labelledby="{operation}">(.*?)</section>', text, re.DOTALL)
    assert found, operation
    return found[1]


def test_every_operation_with_all_that_is_known_of_it(client, text):
    document = client.get("/openapi.json").json
    operations = [(path, *each) for path, item in document["paths"].items() for each in item.items()]
    assert len(operations) > 20
    for path, method, operation in operations:
        said = section(text, operation["operationId"])
        assert f'<span class="verb">{method.upper()}</span> <code>{path}</code>' in said
        assert operation["summary"] in said.replace("<code>", "`").replace("</code>", "`")
        assert {*operation["responses"]} == set(re.findall(r'<span class="badge \w+">(\d+)</span>', said))
        for parameter in operation["parameters"]:
            assert f"<code>{parameter['name']}</code>" in said, (path, parameter)
        for content in operation.get("requestBody", {}).get("content", {}).values():
            name = content["schema"].get("$ref", "").rpartition("/")[2]
            for field in document["components"]["schemas"].get(name, {}).get("properties", {}):
                assert f"<code>{field}</code>" in said, (path, field)


def test_it_is_the_same_on_each_kind_of_database(cluster, migrated_postgresql, migrated_sqlite, tmp_path):
    """Its look is judged once (pages/test_web_accessibility.py)."""
    pages = set()
    for url in (cluster.patient_url(migrated_postgresql), copied_file(migrated_sqlite, tmp_path)):
        with prepared_app(url) as app:
            pages.add(app.test_client().get("/docs").text)
    assert len(pages) == 1


def test_every_schema_and_no_link_to_nowhere(client, text):
    schemas = client.get("/openapi.json").json["components"]["schemas"]
    ids = re.findall(r'id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert {f"schema-{name}" for name in schemas} <= set(ids)
    assert {link[1:] for link in re.findall(r'href="(#[^"]+)"', text)} <= set(ids)
    assert {link for link in re.findall(r'(?:href|src)="([^"#]+)', text) if not link.startswith("/")} == set()
    assert "<script" not in text
    tags = [tag["name"] for tag in client.get("/openapi.json").json["tags"]]
    assert len(tags) == len(set(tags))


def test_the_examples_work_in_the_order_of_a_day(client, text):
    """What is shown for a body is taken by its route."""

    def send(operation, path):
        words = shlex.split(re.search(r"<pre[^>]*><code>(.*?)</code>", section(text, operation), re.DOTALL)[1])
        assert words[0] == "curl"
        body = words[words.index("-d") + 1]
        return client.post(path, data=body, content_type="application/json")

    operations = {
        each["operationId"]: path
        for path, item in client.get("/openapi.json").json["paths"].items()
        for method, each in item.items()
        if method == "post" and "application/json" in each.get("requestBody", {}).get("content", {})
    }
    created = next(operation for operation, path in operations.items() if path == "/api/products")
    assert send(created, "/api/products").status_code == 201
    client.post("/api/products/1/restock", json={"quantity": 100})
    client.post("/api/products", json={"name": "Another", "sku": "ANOTHER", "stock_level": 100})
    for operation, path in operations.items():
        if operation != created:
            answer = send(operation, re.sub(r"\{\w+\}", "1", path))
            assert answer.status_code in {200, 201, 409}, (path, answer.text)


def test_open_to_who_has_no_token(database_url):
    with prepared_app(database_url, REQUIRE_TOKENS="true") as app:
        answer = app.test_client().get("/docs")
    assert answer.status_code == 200
    assert "Authorization: Bearer $TOKEN" in unescape(answer.text)
