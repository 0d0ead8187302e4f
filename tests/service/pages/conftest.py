"""For each module of the tests of the pages: a browser, and a service on each kind of database."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
import requests
from tests.framework.server import DEADLINE, serving
from tests.framework.service_database import copied_file
from tests.service.browser import running, visiting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page
    from tests.framework.server import Server
    from tests.service.pages.actions import NewProduct, Product

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running() as browser:
        yield browser


def group(kind: str) -> Any:
    """Let one worker run the tests of one kind of database: a module's share a browser and a server."""
    return pytest.param(kind, marks=pytest.mark.xdist_group(f"web-pages-{kind}"))


@pytest.fixture(scope="module", params=[group("sqlite"), group("postgresql")])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("web")
    if request.param == "sqlite":
        url = copied_file(request.getfixturevalue("migrated_sqlite"), folder)
    else:
        cluster = request.getfixturevalue("cluster")
        name = f"web_pages_{next(_numbers)}"
        cluster.create(name, request.getfixturevalue("migrated"))
        url = cluster.patient_url(name)
    with serving(folder / "log", DATABASE_URL=url, LOAD_SAMPLE_DATA="true") as server:
        yield server


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    with visiting(browser, server.url) as page:
        yield page


@pytest.fixture
def product(server: Server) -> NewProduct:
    """Create a product of its own for a test, over the API."""

    def make(**fields: Any) -> Product:
        number = next(_numbers)
        body = {"name": f"Lamp {number}", "sku": f"LAMP-{number}", "stock_level": 20, "price": 19.99} | fields
        answer = requests.post(f"{server.url}/api/products", json=body, timeout=DEADLINE)
        assert answer.status_code == 201, answer.text
        made: Product = answer.json()["product"]
        return made

    return make
