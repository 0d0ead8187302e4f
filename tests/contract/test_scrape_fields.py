"""The committed list of fields of a scrape job is what the sources of the built Prometheus say."""

from __future__ import annotations

import scrape_fields
from inventory_operator.checks.scrape_policy import KNOWN_FILE


def test_the_list_is_made_from_the_sources() -> None:
    assert KNOWN_FILE.read_text("utf-8") == scrape_fields.fields(), "run make scrape-fields"
