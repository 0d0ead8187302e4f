"""/openapi.json: OpenAPI 3.1 that says what the routes do, shown by schemathesis against the real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from tests.framework.bound import bound
from tests.framework.server import serving

from inventory_service.schemas import answers, requests

HERE = Path(__file__).parent
BODIES = [model for model in vars(requests).values() if isinstance(model, type) and issubclass(model, requests.Body)]


@pytest.fixture
def document(client):
    answer = client.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    return answer.json


def operations(document):
    return [(method, path, operation) for path, item in document["paths"].items() for method, operation in item.items()]


def test_every_route_of_the_api_is_described(app, document):
    routes = {
        (method.lower(), rule.rule.replace("<int:", "{").replace(">", "}"))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/")
    }
    assert {(method, path) for method, path, _ in operations(document)} == routes
    assert document["openapi"].startswith("3.1")


def test_every_operation_is_for_people_too(document):
    for method, path, operation in operations(document):
        assert operation["summary"].endswith("."), (method, path)
        assert operation["operationId"]
        assert operation["tags"]


def test_every_reference_leads_somewhere(document):
    text = json.dumps(document)
    names = set(document["components"]["schemas"])
    used = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert used <= names
    assert not any("." in name or "<" in name for name in names)
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("model", [model for model in BODIES if model.model_fields], ids=lambda model: model.__name__)
def test_the_examples_of_bodies_are_valid(document, model):
    schema = {**document["components"]["schemas"][model.__name__], "components": document["components"]}
    fields = schema["properties"]

    def example(field):
        if "examples" in field:
            return field["examples"][0]
        if "items" in field:
            name = field["items"]["$ref"].rpartition("/")[2]
            parts = document["components"]["schemas"][name]["properties"]
            return [{each: example(part) for each, part in parts.items()}]
        return field["default"]

    body = {name: example(field) for name, field in fields.items()}
    jsonschema.Draft202012Validator(schema).validate(body)
    model.model_validate_json(json.dumps(body))


def test_every_error_is_the_one_problem(document):
    for method, path, operation in operations(document):
        for status, answer in operation["responses"].items():
            if status >= "400":
                assert set(answer["content"]) == {"application/problem+json"}, (method, path, status)
    assert set(document["components"]["schemas"]["Problem"]["properties"]) == set(answers.Problem.model_fields)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_schemathesis_finds_nothing(request, tmp_path, database):
    """No server error, no answer that isn't documented, no bad request accepted; the same examples in every run."""
    url = f"sqlite:///{tmp_path}/inventory.db"
    if database == "postgresql":
        url = request.getfixturevalue("cluster").patient_url(request.getfixturevalue("empty_postgresql"))
    with serving(tmp_path / "log", DATABASE_URL=url, LOAD_SAMPLE_DATA="true") as server:
        run = subprocess.run(
            bound(
                Path(sys.executable).with_name("schemathesis"), "--config-file", HERE / "schemathesis.toml",
                "run", f"{server.url}/openapi.json", "--max-examples", "12", "--no-color", "--warnings", "off",
                "--request-timeout", "120", "--seed", "1",
            ),
            cwd=tmp_path,
            env={**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(HERE)},
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        errors = [line for line in server.lines() if line["level"] == "error"]
    assert run.returncode == 0, run.stdout + run.stderr
    assert errors == []
