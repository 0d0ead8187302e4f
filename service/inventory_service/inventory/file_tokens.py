"""The tokens that files give: makes those in the database follow the files.

A token that the command line made or revoked stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import select

from inventory_service.db.models import ApiToken
from inventory_service.inventory.tokens import FILE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class TokenFile:
    """One token that a file gives; of its text only digest and prefix are left."""

    file: str
    name: str
    scope: str
    digest: str
    prefix: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The names of the tokens that were added and revoked, and why which files were not used."""

    added: list[str] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    unusable: dict[str, str] = field(default_factory=dict)


def synchronise(session: Session, files: Sequence[TokenFile], now: datetime) -> Outcome:
    """Let the tokens of files be those of `files`; a token that is gone from there is revoked, or given its new name.

    No two of `files` may have the same name or digest.
    """
    wanted = {(file.name, file.digest) for file in files}
    active = select(ApiToken).where(ApiToken.source == FILE, ApiToken.revoked_at.is_(None))
    gone = [token for token in session.scalars(active) if (token.name, token.digest) not in wanted]
    outcome = Outcome(revoked=[token.name for token in gone])
    for token in gone:
        token.revoked_at = now
    session.flush()  # before others take their names
    for file in files:
        _add(session, file, now, outcome)
    return outcome


def _add(session: Session, file: TokenFile, now: datetime, outcome: Outcome) -> None:
    known = session.scalars(select(ApiToken).where(ApiToken.digest == file.digest)).one_or_none()
    if known is not None and known.source != FILE:
        outcome.unusable[file.file] = "it holds a token that the command line made or revoked; put another one there"
        return
    same_name = select(ApiToken).where(ApiToken.name == file.name, ApiToken.revoked_at.is_(None))
    holder = session.scalars(same_name).one_or_none()
    if holder is not None and holder is not known:
        outcome.unusable[file.file] = "the command line made a token of this name; revoke that, or rename the file"
        return
    if known is None:
        known = ApiToken(digest=file.digest, prefix=file.prefix, source=FILE, created_at=now, revoked_at=now)
        session.add(known)
    if known.revoked_at is not None:
        outcome.added.append(file.name)
    known.name, known.scope, known.revoked_at = file.name, file.scope, None
    session.flush()
