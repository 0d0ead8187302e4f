"""The administrator's credentials for Grafana, from the stack's Secret: in no log, message or repr. Pure."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

USER_KEY, PASSWORD_KEY = "admin-user", "admin-password"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and a password as Grafana takes them from the Secret called `secret`."""

    secret: str
    user: str = field(repr=False)
    password: str = field(repr=False)

    @property
    def authorization(self) -> str:
        """Return the header of a request."""
        return f"Basic {base64.b64encode(f'{self.user}:{self.password}'.encode()).decode()}"


def credentials(secret: str, data: Mapping[str, str] | None) -> Credentials | None:
    """Return what the `data` of a Secret, in base64, holds; None where that is not all, or no text.

    Grafana trims the user (`$__file` in its configuration), and takes the first line for the password (`grafana cli
    admin reset-admin-password --password-from-stdin`).
    """
    try:
        texts = [base64.b64decode((data or {})[key], validate=True).decode() for key in (USER_KEY, PASSWORD_KEY)]
    except (KeyError, binascii.Error, UnicodeDecodeError):
        return None
    user, password = texts[0].strip(), texts[1].partition("\n")[0].removesuffix("\r")
    return Credentials(secret, user, password) if user and password else None
