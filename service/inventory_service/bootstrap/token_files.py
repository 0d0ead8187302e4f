"""TOKENS_DIR, a folder as Kubernetes mounts a Secret: a file for each token, named NAME.SCOPE.

Errors name the files, and no content of them, which is secret.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import structlog

from inventory_service.inventory import file_tokens
from inventory_service.inventory.file_tokens import TokenFile
from inventory_service.inventory.tokens import NAME, SCOPES, TEXT, digest_of, prefix_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.orm import Session

_log = structlog.get_logger(__name__)

_SHORTEST: Final = 20
_LARGEST_FILE: Final = 4096


class _UnusableError(Exception):
    """Why a file gives no token."""


def load(session: Session, folder: Path) -> None:
    """Make the tokens in `folder` valid and revoke those that are gone from there; log an error for each useless file.

    A folder that can't be listed changes nothing: a volume that is not there yet must not lock everybody out.
    """
    try:
        paths = [path for path in sorted(folder.iterdir()) if not path.name.startswith("..") and not path.is_dir()]
    except OSError as error:
        _log.error("tokens of files not read", folder=str(folder), reason=error.strerror)
        return
    files, unusable = _read(paths)
    outcome = file_tokens.synchronise(session, files, datetime.now(UTC))
    for file, reason in sorted((unusable | outcome.unusable).items()):
        _log.error("token file ignored", file=file, reason=reason)
    if outcome.added or outcome.revoked:
        _log.info("tokens of files synchronised", added=outcome.added, revoked=outcome.revoked)


def _read(paths: list[Path]) -> tuple[list[TokenFile], dict[str, str]]:
    """Return what the files give, and why which of them give nothing."""
    found: list[TokenFile] = []
    unusable: dict[str, str] = {}
    for path in paths:
        try:
            found.append(_read_one(path))
        except _UnusableError as error:
            unusable[path.name] = str(error)
    unusable.update(_ambiguous(found))
    return [token for token in found if token.file not in unusable], unusable


def _read_one(path: Path) -> TokenFile:
    name, _, scope = path.name.rpartition(".")
    if scope not in SCOPES or not NAME.fullmatch(name):
        raise _UnusableError(f"expected a file name like shop-front.write, with one of {', '.join(SCOPES)} at the end")
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_FILE).decode("ascii").strip()
    except OSError as error:
        raise _UnusableError(f"it can't be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise _UnusableError("a token has letters, digits and . _ ~ + / - only") from error
    if len(text) < _SHORTEST:
        raise _UnusableError(f"expected a token of at least {_SHORTEST} characters, got {len(text)}")
    if not TEXT.fullmatch(text):
        raise _UnusableError("expected one token, of letters, digits and . _ ~ + / - only")
    return TokenFile(path.name, name, scope, digest_of(text), prefix_of(text))


def _ambiguous(found: list[TokenFile]) -> Iterator[tuple[str, str]]:
    """Return an error for each file that contradicts another; none of them is used, as the scope is unclear."""
    names, digests = Counter(token.name for token in found), Counter(token.digest for token in found)
    for token in found:
        if names[token.name] > 1:
            yield token.file, f"another file gives a token named {token.name}, too"
        elif digests[token.digest] > 1:
            yield token.file, "another file holds the same token"
