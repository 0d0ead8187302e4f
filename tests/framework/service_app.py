"""The service within the process of a test: its application on a database, its tokens, its refusals."""

from __future__ import annotations

import math
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from inventory_service.app import create_app
from inventory_service.background import readiness
from inventory_service.bootstrap import schema
from inventory_service.context import context_of
from inventory_service.inventory import tokens
from inventory_service.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask
    from werkzeug.test import TestResponse


@contextmanager
def prepared_app(database_url: str, **environment: str) -> Iterator[Flask]:
    """Give the application on a database that it prepares as a pod does; quick where that was done before."""
    app = create_app(load({"DATABASE_URL": database_url, **environment}))
    context = context_of(app)
    try:
        schema.prepare(context.database, context.settings)
        readiness.check(context, context.database)
        # There is no thread that checks again, however long the test takes.
        context.lifecycle.checked_at = math.inf
        yield app
    finally:
        context.database.close()


def make_token(app: Flask, name: str, scope: str, expires_at: datetime | None = None) -> str:
    """Create a token and return its text."""
    with context_of(app).database.writing() as session:
        return tokens.create(session, name, scope, expires_at, datetime.now(UTC))[1]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def assert_refused(answer: TestResponse, status: int) -> None:
    """Every refusal serves old clients and readers of RFC 9457 alike."""
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    body = answer.json
    assert body is not None
    assert body["success"] is False
    assert body["status"] == status
    assert body["error"] == body["detail"]
    assert body["error"].endswith(".")
    assert body["title"]
    assert urlsplit(body["type"]).scheme
    assert body["instance"].startswith("/")
    assert " " not in body["instance"]
