"""Forms: what was typed, read into the API's schemas, with an error beside each field.

A refused form is shown again with all that was typed.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlencode

from flask import request
from pydantic import BaseModel, ValidationError

from inventory_service.http.errors import BadRequest
from inventory_service.importexport import numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_Model = TypeVar("_Model", bound=BaseModel)

#: The hidden fields: what makes a form sent twice be done once, and which version of the product it was made for.
KEY: Final = "form_key"
VERSION: Final = "version"
#: A number that a hidden field holds has no more digits: every database can hold it.
MAX_DIGITS: Final = 18

INCOMPLETE: Final = "The form is not complete; open its page again and send it from there."

LABELS: Final = {
    "name": "Name",
    "sku": "SKU",
    "description": "Description",
    "stock_level": "Stock on hand",
    "min_stock_threshold": "Low-stock threshold",
    "price": "Price",
    "quantity": "Quantity",
    "direction": "What happened",
    "notes": "Note",
    "reason": "Reason",
    "reference": "Reference",
}
_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "stock_level": numbers.whole,
    "min_stock_threshold": numbers.whole,
    "quantity": numbers.whole,
    "price": numbers.number,
}
_MAX_HIDDEN: Final = 255
#: Where the API takes null or leaves a field out.
_MAY_BE_LEFT_OUT: Final = frozenset({"reference"})


@dataclass(frozen=True, slots=True)
class State:
    """One form on a page: what its fields hold, what is wrong with them ("" is the form as a whole), and its key."""

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    key: str = field(default_factory=lambda: secrets.token_urlsafe(18))


class InvalidForm(Exception):  # noqa: N818 - it is an answer, not a fault
    """What was typed can't be used; carries the form to show again."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.state = State(typed(), errors)


def typed() -> dict[str, str]:
    """Return what was typed; browsers send line ends as CRLF whatever they were."""
    return {name: text.replace("\r\n", "\n") for name, text in request.form.items()}


def read(model: type[_Model]) -> _Model:
    """Return the form as the schema that the API uses for the same. Raise InvalidForm."""
    texts = typed()
    given = {name: _read(name, texts[name]) for name in model.model_fields if name in texts}
    try:
        return model.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise InvalidForm(_errors(model, error, texts)) from None


def key(form: Mapping[str, str] | None = None) -> str:
    """Return the key of the form that was sent, or that was read already. Raise BadRequest."""
    return _hidden(KEY, form)


def version() -> int:
    """Return the version of the product that the form was made for. Raise BadRequest."""
    text = _hidden(VERSION)
    if not text.isdecimal() or len(text) > MAX_DIGITS:
        raise BadRequest(INCOMPLETE)
    return int(text)


def digest() -> bytes:
    """Return what tells this form from another one with the same key."""
    fields = sorted((name, text) for name, text in request.form.items(multi=True) if name != KEY)
    return hashlib.sha256(urlencode(fields).encode()).digest()


def _hidden(name: str, form: Mapping[str, str] | None = None) -> str:
    text = (request.form if form is None else form).get(name, "")
    if not 1 <= len(text) <= _MAX_HIDDEN or not text.isascii() or not text.isprintable() or " " in text:
        raise BadRequest(INCOMPLETE)
    return text


def _read(name: str, text: str) -> Any:
    if name in _MAY_BE_LEFT_OUT and not text.strip():
        return None
    reader = _READERS.get(name)
    return reader(text.strip()) if reader else text.strip() if name == "sku" else text


def _errors(model: type[BaseModel], error: ValidationError, texts: Mapping[str, str]) -> dict[str, str]:
    errors: dict[str, str] = {}
    for problem in error.errors(include_url=False, include_input=False):
        name = str(problem["loc"][0])
        expected, label = model.model_fields[name].description, LABELS[name]
        empty = not texts.get(name, "").strip()
        errors.setdefault(name, f"{label} is required: {expected}." if empty else f"{label} must be {expected}.")
    return errors
