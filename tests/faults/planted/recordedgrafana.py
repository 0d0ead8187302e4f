"""Goes into an image that runs where Grafana would: it answers what a real Grafana 12.3.0 answered, as recorded.

Its own are only what of a stack is in the recordings: the password that was set last, where the data source leads,
whether something answers there, and the uids of the dashboards that are mounted. Files in its pod change them, as a
person changes Grafana by hand.
"""

from __future__ import annotations

import base64
import json
import re
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

#: The recordings, in the image: tests/framework/recorded_grafana.json.
RECORDINGS = Path("/opt/recorded_grafana.json")
#: What is mounted.
DASHBOARDS = Path("/etc/inventory/dashboards")
SOURCES = Path("/etc/grafana/provisioning/datasources/datasource.yaml")
USER = Path("/etc/inventory/credentials/admin-user")
#: The password, which the start of a pod sets.
PASSWORD = Path("/var/lib/grafana/password")
#: Where the data source was made to lead, until the pod is started anew; `none` is a data source that was deleted.
SOURCE = Path("/tmp/source")
#: The uid of a dashboard that Grafana does not read.
LOST = Path("/var/lib/grafana/lost")
PORT = 3000
_RECORDED_URL = "http://127.0.0.1:9090"


class Grafana:
    """What it answers, by path."""

    def __init__(self, recordings: Path = RECORDINGS, home: Path = Path("/")) -> None:
        self._answers: dict[str, dict[str, Any]] = json.loads(recordings.read_text("utf-8"))["answers"]
        self._home = home

    def answer(self, path: str, authorization: str) -> tuple[int, bytes]:
        """Return the status and the body for a request."""
        path = path.partition("?")[0]
        if path == "/api/health":
            return 200, b'{"database": "ok"}'
        if not self._knows(authorization):
            return self._recorded("wrong-password" if authorization else "no-credentials")
        source, missing = self._source(), (404, b'{"message": "Not found"}')
        match path:
            case "/api/datasources/uid/prometheus":
                return missing if source == "none" else self._recorded("datasource", source)
            case "/api/datasources/uid/prometheus/health":
                return self._recorded(self._health(source), source)
            case "/api/search":
                return 200, json.dumps([self._found(uid) for uid in self._uids()]).encode()
        return missing

    def _recorded(self, name: str, source: str = _RECORDED_URL) -> tuple[int, bytes]:
        found = self._answers[name]
        return found["status"], found["body"].replace(_RECORDED_URL, source).encode()

    def _found(self, uid: str) -> dict[str, Any]:
        (recorded,) = json.loads(self._answers["search"]["body"])
        return {**recorded, "uid": uid}

    def _knows(self, authorization: str) -> bool:
        login = f"{self._text(USER).strip()}:{self._text(PASSWORD).partition(chr(10))[0]}"
        return authorization == f"Basic {base64.b64encode(login.encode()).decode()}"

    def _source(self) -> str:
        if changed := self._text(SOURCE).strip():
            return changed
        found = re.search(r"^\s*url: \"?([^\"\s]+)", self._text(SOURCES), re.MULTILINE)
        return found[1] if found else "none"

    def _health(self, source: str) -> str:
        if source == "none":
            return "datasource-missing"
        try:
            urllib.request.urlopen(f"{source}/api/v1/query?query=1", timeout=1).close()
        except urllib.error.HTTPError:
            return "datasource-health-ok"
        except (OSError, ValueError):
            return "datasource-health-prometheus-down"
        return "datasource-health-ok"

    def _uids(self) -> list[str]:
        boards = sorted((self._home / DASHBOARDS.relative_to("/")).glob("*.json"))
        uids = [str(json.loads(one.read_text("utf-8")).get("uid")) for one in boards]
        return [uid for uid in uids if uid != self._text(LOST).strip()]

    def _text(self, path: Path) -> str:
        try:
            return (self._home / path.relative_to("/")).read_text("utf-8")
        except FileNotFoundError:
            return ""


def serve() -> None:
    """Answer for as long as the process lives."""
    grafana = Grafana()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = grafana.answer(self.path, self.headers.get("Authorization", ""))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Who asked is of no interest."""

    ThreadingHTTPServer(("", PORT), Handler).serve_forever()


if __name__ == "__main__":
    serve()
