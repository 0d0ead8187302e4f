"""A web server with basic authentication that takes remote-write samples and serves metrics."""

from __future__ import annotations

from tests.framework.webserver import Request, Response, WebServer

METRICS = "# TYPE warehouse_pallets gauge\nwarehouse_pallets 7\n"


class Storage(WebServer):
    """A context manager around the server; GET gives metrics and POST takes samples, both to who has the password."""

    def __init__(self, address: str, user: str, password: str) -> None:
        super().__init__(address, self._answer)
        self._user = user
        self.password = password
        #: The status of each answer to a POST, the oldest first.
        self.answers: list[int] = []

    def _answer(self, request: Request) -> Response:
        who = request.authorization
        let_in = who is not None and (who.username, who.password) == (self._user, self.password)
        if request.method == "GET":
            text = METRICS if let_in else ""
            return Response(text, 200 if let_in else 401, content_type="text/plain; version=0.0.4")
        # 429 is what Prometheus sends again; what is refused with 401 it drops.
        self.answers.append(204 if let_in else 429)
        return Response(status=self.answers[-1])
