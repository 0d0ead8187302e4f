"""Requests read into the models, with a sentence for each field that is wrong.

On the contract's routes a body is JSON whatever its Content-Type: old clients send all kinds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from apiflask.schema_adapters import registry
from apiflask.schema_adapters.pydantic import PydanticAdapter
from pydantic import BaseModel, ValidationError

from inventory_service.http.errors import BadRequest, UnsupportedEncoding, UnsupportedType
from inventory_service.schemas.requests import NewBody

if TYPE_CHECKING:
    from flask import Request

_Model = TypeVar("_Model", bound=BaseModel)


class ReadingAdapter(PydanticAdapter):
    """Lets `blueprint.input` read as we do: strict, and with our sentences."""

    def validate_input(self, request: Request, location: str, **_options: Any) -> BaseModel:
        """Return the model that the request holds at `location`, "json" or "query". Raise BadRequest and the like."""
        if location == "query":
            return read_query(self.model_class, request)
        if location == "json":
            return read_body(self.model_class, request)
        raise ValueError(location)


def register_adapter() -> None:
    """Let every `blueprint.input` from here on read with our adapter: APIFlask looks it up as it decorates a view."""
    registry.register("pydantic", ReadingAdapter)


def read_body(model: type[_Model], request: Request) -> _Model:
    """Parse the body as JSON. Raise BadRequest, UnsupportedType, UnsupportedEncoding or RequestEntityTooLarge."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedEncoding
    text = request.get_data()
    if issubclass(model, NewBody):
        if not text and not any(field.is_required() for field in model.model_fields.values()):
            return model()
        if not request.is_json:
            raise UnsupportedType
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise BadRequest(sentences(model, error)) from None


def read_query(model: type[_Model], request: Request) -> _Model:
    """Parse the query; of a parameter that is given twice the first counts. Raise BadRequest."""
    try:
        return model.model_validate(request.args.to_dict())
    except ValidationError as error:
        raise BadRequest(sentences(model, error)) from None


def sentences(model: type[BaseModel], error: ValidationError) -> str:
    """Return what is wrong, a sentence for each field."""
    return " ".join(dict.fromkeys(_sentence(model, problem) for problem in error.errors(include_url=False)))


def _sentence(model: type[BaseModel], problem: Any) -> str:
    kind, place = problem["type"], problem["loc"]
    if not place:
        if kind == "json_invalid":
            return f"The body must be a JSON object: {problem['ctx']['error']}."
        return "The body must be a JSON object."
    field = _address(place)
    if kind == "extra_forbidden":
        return f"{field} is not a field of this request; it takes {', '.join(_model_at(model, place).model_fields)}."
    expected = _expected(model, place)
    return f"{field} is required: {expected}." if kind == "missing" else f"{field} must be {expected}."


def _address(place: tuple[str | int, ...]) -> str:
    """Return `lines[2].delta` for ("lines", 2, "delta")."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).lstrip(".")


def _model_at(model: type[BaseModel], place: tuple[str | int, ...]) -> type[BaseModel]:
    """Return the model that the last step of `place` is a field of."""
    for step in place[:-1]:
        if isinstance(step, int):
            continue
        inner = model.model_fields[step].annotation
        parts = getattr(inner, "__args__", ())
        model = next(part for part in parts if isinstance(part, type) and issubclass(part, BaseModel))
    return model


def _expected(model: type[BaseModel], place: tuple[str | int, ...]) -> str | None:
    if isinstance(place[-1], int):
        return "a JSON object"
    return _model_at(model, place).model_fields[place[-1]].description
