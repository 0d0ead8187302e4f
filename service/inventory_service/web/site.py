"""All pages of the web, their style sheet, and their errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from apiflask import APIBlueprint
from flask import request
from jinja2 import StrictUndefined

from inventory_service.web import guard, import_forms, pages, product_forms, reference, render, session, stock_forms
from inventory_service.web.render import page

if TYPE_CHECKING:
    from flask import Flask, Response

_assets: Final = APIBlueprint(
    "assets", __name__, enable_openapi=False, static_folder="static", static_url_path="/static"
)
_NOUNS: Final = (pages, stock_forms, product_forms, import_forms, session)
#: The blueprints that need the database.
NAMES: Final = frozenset(noun.blueprint.name for noun in _NOUNS)

for _noun in _NOUNS:
    _noun.blueprint.before_request(guard.refuse_other_origins)

_PROBLEM: Final = "application/problem+json"
#: What machines ask for, and must get answers of their own kind from.
_MACHINES: Final = ("/api", "/metrics", "/livez", "/readyz", "/openapi.json")


def register(app: Flask) -> None:
    """Add the pages to `app`."""
    app.jinja_env.undefined = StrictUndefined
    render.register(app)
    app.after_request(_show_problem)
    for noun in _NOUNS:
        app.register_blueprint(noun.blueprint)
    app.register_blueprint(reference.blueprint)
    app.register_blueprint(_assets)


def _show_problem(response: Response) -> Response:
    """Show a problem as a page to who asked for one."""
    if response.mimetype != _PROBLEM or not _is_person():
        return response
    problem = response.get_json()
    shown = page("problem", response.status_code, problem=problem)
    kept = {name: value for name, value in response.headers if name not in {"Content-Type", "Content-Length"}}
    shown.headers.update(kept)
    return shown


def _is_person() -> bool:
    if request.blueprint in NAMES:
        return True
    return not request.path.startswith(_MACHINES) and "text/html" in request.headers.get("Accept", "")
