"""API tokens: made or found in a file, looked up by their digest, revoked for ever.

Only the digest of a token is stored; `create` returns its text once.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.exc import IntegrityError

from inventory_service.db.models import ApiToken

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

#: Each includes the ones before it.
SCOPES: Final = ("read", "write", "admin")
READ, WRITE, ADMIN = SCOPES

#: What a token may be called, and what it may look like: what can stand after `Bearer` (RFC 6750, 2.1).
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
TEXT: Final = re.compile(r"[A-Za-z0-9._~+/-]{1,1024}={0,2}")

COMMAND: Final = "command"
FILE: Final = "file"

ACTIVE: Final = "active"
EXPIRED: Final = "expired"
REVOKED: Final = "revoked"

#: `last_used_at` is as old as this at most while a token is in use; a write for each request would be too dear.
LAST_USE_GRAIN: Final = timedelta(minutes=1)

#: 32 random bytes. From 112 bits of entropy on a secret needs no salt and no slow hash (NIST SP 800-63B, 5.1.2.2).
_RANDOM_BYTES: Final = 32
_PREFIX_LENGTH: Final = 12
_COLUMNS: Final = (
    ApiToken.id,
    ApiToken.name,
    ApiToken.prefix,
    ApiToken.scope,
    ApiToken.source,
    ApiToken.created_at,
    ApiToken.expires_at,
    ApiToken.revoked_at,
    ApiToken.last_used_at,
)

#: Asked for every request: put together once, of plain columns, it costs half.
_BY_DIGEST: Final = select(
    ApiToken.__table__.c.digest, *(ApiToken.__table__.c[column.key] for column in _COLUMNS)
).where(ApiToken.__table__.c.digest == bindparam("digest"))


class TokenError(Exception):
    """What was asked of a token can't be done; the text is a sentence a person can act on."""


@dataclass(frozen=True, slots=True)
class Token:
    """All that is known of a token; times in UTC."""

    id: int
    name: str
    prefix: str
    scope: str
    source: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def state(self, now: datetime) -> str:
        """Return "active", "expired" or "revoked"."""
        if self.revoked_at is not None:
            return REVOKED
        return EXPIRED if self.expires_at is not None and self.expires_at <= now else ACTIVE

    def allows(self, scope: str) -> bool:
        """Tell whether the token may do what needs `scope`."""
        return SCOPES.index(self.scope) >= SCOPES.index(scope)


def digest_of(text: str) -> str:
    """Return what is kept of a token: its SHA-256, as hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def prefix_of(text: str) -> str:
    """Return what is shown of a token; of a short one (only files hold such) at most a third."""
    return text[: min(_PREFIX_LENGTH, len(text) // 3)]


def create(session: Session, name: str, scope: str, expires_at: datetime | None, now: datetime) -> tuple[ApiToken, str]:
    """Return a new token and its text, which can't be learnt again. Raise TokenError if the name is taken."""
    text = f"inv_{secrets.token_urlsafe(_RANDOM_BYTES)}"
    token = ApiToken(
        name=name,
        prefix=prefix_of(text),
        digest=digest_of(text),
        scope=scope,
        source=COMMAND,
        created_at=now,
        expires_at=expires_at,
    )
    session.add(token)
    try:
        session.flush()
    except IntegrityError as error:
        raise TokenError(f"There is already a token named {name}: revoke it first, or choose another name.") from error
    return token, text


def find(session: Session, text: str) -> Token | None:
    """Return the token with this text, whatever its state."""
    digest = digest_of(text)
    row = session.execute(_BY_DIGEST, {"digest": digest}).one_or_none()
    if row is None:
        return None
    kept, *columns = row
    # The index compares digests, which a client can't choose bit by bit; the final comparison takes constant time.
    return Token(*columns) if hmac.compare_digest(kept, digest) else None


def all_tokens(session: Session) -> Sequence[Token]:
    """Return every token there ever was, by name, the newest of a name last."""
    return [Token(*row) for row in session.execute(select(*_COLUMNS).order_by(ApiToken.name, ApiToken.id))]


def revoke(session: Session, name: str, now: datetime) -> None:
    """Revoke the token of this name, at once and for ever. Raise TokenError if there is none.

    A token of a file is the command's from then on: the file can't bring it back.
    """
    revoked = (
        update(ApiToken)
        .where(ApiToken.name == name, ApiToken.revoked_at.is_(None))
        .values(revoked_at=now, source=COMMAND)
        .returning(ApiToken.id)
    )
    if session.execute(revoked).one_or_none() is None:
        raise TokenError(f"There is no token named {name} that could be revoked.")


def note_use(session: Session, token_id: int, now: datetime) -> None:
    """Remember that the token was used, unless somebody did within the last minute."""
    session.execute(
        update(ApiToken)
        .where(ApiToken.id == token_id)
        .where(or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at <= now - LAST_USE_GRAIN))
        .values(last_used_at=now)
    )
