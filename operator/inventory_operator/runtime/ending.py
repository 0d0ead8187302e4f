"""The end of the process: asked for by a signal or by itself, and over in a bounded time whatever hangs."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger(__name__)

#: The process ended by itself, or could not end in order: start it again.
EXIT_RESTART = 4
#: Within the 10 s that Kubernetes' users expect of SIGTERM, and the 15 s that the pod has.
FORCED_AFTER_SECONDS = 8.0
#: The time is counted in so many steps: a process that stood still (a node without a free CPU) has most of it left.
STEPS = 8


@dataclass(slots=True)
class Ending:
    """Sets `stop` at SIGTERM or SIGINT; what then does not end in time is ended by force."""

    forced_after: float = FORCED_AFTER_SECONDS
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    sleep: Callable[[float], None] = time.sleep
    _begun: bool = False

    def take_signals(self) -> None:
        """Have the signals of the process; again after kopf took them."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._asked)

    def begin(self) -> None:
        """End the process by force when it has not ended in time: a task may refuse to be cancelled."""
        if not self._begun:
            self._begun = True
            threading.Thread(target=self._count_down, name="ending", daemon=True).start()

    def _asked(self) -> None:
        self.stop.set()
        self.begin()

    def _count_down(self) -> None:
        for _ in range(STEPS):
            self.sleep(self.forced_after / STEPS)
        log.error("the process did not end in order: it is ended by force", seconds=self.forced_after)
        os._exit(EXIT_RESTART)
