"""Receivers of alerts for tests: a real web server and a real mail server, which keep what they get."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from socket import socket
from typing import TYPE_CHECKING, Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
from tests.framework.webserver import Request, Response, WebServer

if TYPE_CHECKING:
    from email.message import EmailMessage

    from aiosmtpd.smtp import Envelope, LoginPassword, Session


@dataclass(frozen=True)
class Post:
    """One request: where to, what, and when."""

    path: str
    body: dict[str, Any]
    at: datetime

    @property
    def attachment(self) -> dict[str, str]:
        """What Slack would show."""
        (only,) = self.body["attachments"]
        return only

    @property
    def alerts(self) -> set[str]:
        """The names of the alerts, where the body is Alertmanager's own JSON."""
        return {alert["labels"]["alertname"] for alert in self.body["alerts"]}


class Posts(WebServer):
    """A context manager around a web server that answers each POST as Slack does, with `ok`."""

    def __init__(self, address: str) -> None:
        super().__init__(address, self._keep)
        self._kept: list[Post] = []

    def _keep(self, request: Request) -> Response:
        self._kept.append(Post(request.path, json.loads(request.get_data()), datetime.now(UTC)))
        return Response("ok")

    def at(self, path: str) -> list[Post]:
        """What was posted to a path, the oldest first."""
        return [post for post in self._kept if post.path == path]


@dataclass(frozen=True)
class Mail:
    """One mail as the server got it."""

    sender: str
    recipients: list[str]
    message: EmailMessage

    def part(self, kind: str) -> str:
        """The text of the part `plain` or `html`."""
        found = self.message.get_body((kind,))
        assert found is not None
        return str(found.get_content())


class Mails:
    """A context manager around an SMTP server that takes mail from one account only."""

    def __init__(self, address: str, account: str, password: str) -> None:
        with socket() as probe:
            probe.bind((address, 0))
            self.smarthost = f"{address}:{probe.getsockname()[1]}"
        self.kept: list[Mail] = []
        self.refused = 0
        self._account = (account.encode(), password.encode())

    def __enter__(self) -> Self:
        host, port = self.smarthost.split(":")
        self._controller = _Controller(self, hostname=host, port=int(port))
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    def check(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, given: LoginPassword
    ) -> AuthResult:
        """Say whether it is the account's password."""
        success = (given.login, given.password) == self._account
        self.refused += not success
        return AuthResult(success=success)

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep a mail; a client that has not authenticated is refused as RFC 4954 says."""
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        self.kept.append(Mail(str(envelope.mail_from), envelope.rcpt_tos, message))
        return "250 OK"


class _Server(SMTP):
    """With the words that most servers ask by, and Alertmanager understands."""

    AuthLoginUsernameChallenge = "Username:"
    AuthLoginPasswordChallenge = "Password:"


class _Controller(Controller):
    def factory(self) -> SMTP:
        """Offer LOGIN only: Go's library sends PLAIN through TLS or not at all."""
        return _Server(
            self.handler, authenticator=self.handler.check, auth_require_tls=False, auth_exclude_mechanism=["PLAIN"]
        )
