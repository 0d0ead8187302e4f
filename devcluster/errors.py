"""What ends a command: one sentence for the user and an exit code. A defect keeps its traceback."""

from __future__ import annotations


class ClusterError(Exception):
    """Something failed while it was done; the message says what and where to look."""

    exit_code = 1


class RefusedError(ClusterError):
    """Refused: this machine can't do it; the message says why and what would help."""

    exit_code = 3
