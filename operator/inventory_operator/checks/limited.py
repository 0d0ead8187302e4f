"""Gives itself limits and becomes another program: `limited.py CPU_SECONDS DATA_BYTES program arguments...`.

A script of its own and no hook between fork and exec: in a process with threads such a hook can hang.
"""

from __future__ import annotations

import os
import resource
import sys

#: What a shell says of a program that it can't run.
EXIT_CANNOT_RUN = 127
NICENESS = 10


def _lower(kind: int, soft: int, hard: int) -> None:
    """Set a limit; one that is lower already stays."""
    most = resource.getrlimit(kind)[1]
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    resource.setrlimit(kind, (soft, hard))


def main() -> int:
    """Take the limits from the command line and run the rest of it; returns only where that can't be run."""
    cpu_seconds, data_bytes = int(sys.argv[1]), int(sys.argv[2])
    # SIGXCPU first: it tells this end from that by the kernel, which is out of memory (both SIGKILL).
    _lower(resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 1)
    # Not RLIMIT_AS: Go reserves more addresses than it ever uses, and would not even start.
    _lower(resource.RLIMIT_DATA, data_bytes, data_bytes)
    # No dump of what was read.
    _lower(resource.RLIMIT_CORE, 0, 0)
    # The operator itself comes first.
    os.nice(NICENESS)
    try:
        os.execvp(sys.argv[3], sys.argv[3:])  # noqa: S606 - the caller's own program
    except OSError:
        return EXIT_CANNOT_RUN


if __name__ == "__main__":
    sys.exit(main())
