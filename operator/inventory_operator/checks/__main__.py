"""Judges one file: `python -m inventory_operator.checks KIND`, the text on standard input, JSON on standard output.

Nothing of the file is written to standard error, not even when it fails: its caller has only the exit code.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from inventory_operator.checks import dashboard, rules, scrape
from inventory_operator.checks.yaml_tree import RefusedError

CHECKS = {"dashboard": dashboard.check, "rules": rules.check, "scrape": scrape.check}


def main() -> int:
    """Judge the file; returns the exit code."""
    try:
        said = asdict(CHECKS[sys.argv[1]](sys.stdin.buffer.read().decode()))
    except RefusedError as error:
        said = {"problem": str(error)}
    sys.stdout.write(json.dumps(said))
    return 0


if __name__ == "__main__":
    sys.exit(main())
