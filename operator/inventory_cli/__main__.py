"""`python -m inventory_cli` is `inventory`."""

from __future__ import annotations

import sys

from inventory_cli.app import main

if __name__ == "__main__":
    sys.exit(main())
