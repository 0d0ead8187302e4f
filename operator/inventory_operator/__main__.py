"""Starts the operator: `python -m inventory_operator --help`.

Exit codes: 0 stopped as asked, 2 wrong words, 3 can't start, 4 ended by itself and wants a restart.
"""

from __future__ import annotations

import asyncio
import sys

from inventory_operator import cli
from inventory_operator.kube.auth import NoConnectionError
from inventory_operator.runtime import logging, manager, memory
from inventory_operator.runtime.ending import EXIT_RESTART

EXIT_CANNOT_START = 3


def main() -> int:
    """Do what the command line says; returns the exit code."""
    words = cli.arguments(sys.argv[1:])
    memory.give_back()
    logging.configure(words.log_format, words.log_level)
    try:
        return 0 if asyncio.run(manager.run(cli.settings(words))) else EXIT_RESTART
    except (manager.StartError, NoConnectionError) as error:
        sys.stderr.write(f"inventory-operator: {error}\n")
        return EXIT_CANNOT_START


if __name__ == "__main__":
    sys.exit(main())
