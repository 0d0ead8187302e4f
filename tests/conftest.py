"""What is logged within the process of a test is text with plain tracebacks.

structlog's own choice, where Rich is installed, draws the local variables of each frame: seconds for one traceback.
"""

from __future__ import annotations

import structlog


def pytest_configure() -> None:
    *others, _ = structlog.get_config()["processors"]
    console = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*others, console])
