"""The end of the process: asked for by a signal or by itself, and over in a bounded time whatever hangs."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger(__name__)

#: The process ended by itself, or could not end in order: start it again.
EXIT_RESTART = 4
#: Within the 10 s that Kubernetes' users expect of SIGTERM, and the 15 s that the pod has.
FORCED_AFTER_SECONDS = 8.0


@dataclass(slots=True)
class Ending:
    """Sets `stop` at SIGTERM or SIGINT; what then does not end in time is ended by force."""

    forced_after: float = FORCED_AFTER_SECONDS
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    _begun: bool = False

    def take_signals(self) -> None:
        """Have the signals of the process; again after kopf took them."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._asked)

    def begin(self) -> None:
        """End the process by force when it has not ended in time: a task may refuse to be cancelled."""
        if not self._begun:
            self._begun = True
            timer = threading.Timer(self.forced_after, self._force)
            timer.daemon = True
            timer.start()

    def _asked(self) -> None:
        self.stop.set()
        self.begin()

    def _force(self) -> None:
        log.error("the process did not end in order: it is ended by force", seconds=self.forced_after)
        os._exit(EXIT_RESTART)
