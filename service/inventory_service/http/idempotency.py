"""Idempotency-Key: a change that is sent again is done once, and answered again with the first answer.

The answer is kept in the transaction of the change. Follows the IETF draft "The Idempotency-Key HTTP Header Field"
(draft-ietf-httpapi-idempotency-key-header-07).
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from flask import Response, g, request

from inventory_service.context import context
from inventory_service.db.database import InFlight
from inventory_service.db.models import IdempotencyKey
from inventory_service.http import errors
from inventory_service.inventory.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

HEADER: Final = "Idempotency-Key"
#: Set on an answer that was kept.
REPLAYED: Final = "Idempotency-Replayed"
#: Printable ASCII; the draft's quotes around it are part of the key.
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


def changing(view: Callable[..., Response]) -> Callable[..., Response]:
    """Give the view a transaction that writes, as its first argument, and do one key's request once."""

    @wraps(view)
    def run(**arguments: Any) -> Response:
        return once(lambda session: view(session, **arguments), request.get_data)

    return run


def once(change: Callable[[Session], Response], content: Callable[[], bytes], key: str | None = None) -> Response:
    """Answer by `change`, or, where the request's key was answered before, by the answer of then.

    The key is the one that is given, else that of the header.

    `content` returns what tells two requests of one address apart: the body, or a digest of it. A refusal by the rules
    of the inventory is an answer like others and kept, too; what fails for another reason leaves nothing behind.
    `change` is called again where its transaction lost against another one and was undone.
    """
    database = context().database
    key = key or key_of_request()
    if key is None:
        return database.write(change)
    owner = g.get("actor") or ""
    fingerprint = _fingerprint(content())

    def keep_answer(session: Session) -> Response:
        kept = session.get(IdempotencyKey, (owner, key))
        if kept is not None and kept.expires_at > datetime.now(UTC):
            return _replay(kept, fingerprint)
        if kept is not None:
            session.delete(kept)
            session.flush()
        response = _attempt(session, change)
        session.add(_kept(owner, key, fingerprint, response))
        return response

    try:
        return database.write(keep_answer, f"{owner}\n{key}".encode())
    except InFlight:
        sentence = f"A request with this {HEADER} is being answered; send it again later."
        response = errors.problem(409, sentence, "request-in-flight")
        response.headers["Retry-After"] = "1"
        return response


def key_of_request() -> str | None:
    """Return the request's key, if it has one. Raise BadRequest."""
    key = request.headers.get(HEADER)
    if key is not None and not _KEY.fullmatch(key):
        raise errors.BadRequest(f"{HEADER} must be 1 to 255 printable ASCII characters without blanks.")
    return key


def _fingerprint(content: bytes) -> str:
    """Return the SHA-256 of all that the answer depends on."""
    parts = (request.method, request.full_path, request.headers.get("If-Match", ""))
    digest = hashlib.sha256("\n".join(parts).encode())
    digest.update(b"\n" + content)
    return digest.hexdigest()


def _attempt(session: Session, change: Callable[[Session], Response]) -> Response:
    try:
        with session.begin_nested():
            return change(session)
    except Refusal as refusal:
        return errors.refuse(refusal)


def _replay(kept: IdempotencyKey, fingerprint: str) -> Response:
    if kept.fingerprint != fingerprint:
        sentence = f"This {HEADER} was used for another request; choose a new key for a new request."
        return errors.problem(422, sentence, "idempotency-key-reused")
    response = Response(kept.body, kept.status, content_type=kept.content_type)
    if kept.etag is not None:
        response.set_etag(kept.etag)
    response.headers[REPLAYED] = "true"
    return response


def _kept(owner: str, key: str, fingerprint: str, response: Response) -> IdempotencyKey:
    now = datetime.now(UTC)
    return IdempotencyKey(
        actor=owner,
        key=key,
        fingerprint=fingerprint,
        status=response.status_code,
        content_type=response.content_type,
        etag=response.get_etag()[0],
        body=response.get_data(),
        created_at=now,
        expires_at=now + timedelta(hours=context().settings.idempotency_hours),
    )
