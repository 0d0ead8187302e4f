"""gunicorn's configuration file, as a module: `gunicorn --config python:inventory_service.server.config`.

It never takes a setting from anywhere but `settings`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from inventory_service.settings import load

_settings = load(os.environ)

#: gunicorn reads at most so much of a body that the application left unread, then it closes the connection.
_DRAINED_BYTES: Final = 64 * 1024
#: How long the requests in flight may take once the listeners are closed.
_LAST_REQUESTS_SECONDS: Final = 20

bind = [f"{_settings.bind_address}:{port}" for port in (_settings.port, _settings.ingress_port)]
# One process: with several, each would have metrics of its own. More of them are more pods.
workers = 1
threads = _settings.threads
worker_class = "inventory_service.server.worker.DrainingWorker"
logger_class = "inventory_service.server.logger.JsonLogger"
loglevel = _settings.log_level
graceful_timeout = int(_settings.drain_seconds) + _LAST_REQUESTS_SECONDS
# The most that gunicorn can be told: a cursor of a list is part of an address.
limit_request_line = 8190
# Longer than a proxy in front keeps an idle connection (nginx: 60 s), so that the proxy is the one to close it.
keepalive = 75
# The root file system is read-only, and there may be no /tmp.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - memory, and gunicorn makes a private file
control_socket_disable = True


def pre_request(worker: Any, request: Any) -> None:
    """Announce the end of a connection that will end: a client must not reuse it.

    That is one whose body is refused, and every one while the service drains: whoever comes back, comes to another pod.
    """
    headers = dict(request.headers)
    length = headers.get("CONTENT-LENGTH", "0")
    refused = "TRANSFER-ENCODING" in headers or (length.isdecimal() and int(length) >= _DRAINED_BYTES)
    if refused or worker.draining:
        request.force_close()
