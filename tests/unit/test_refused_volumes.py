"""What is said where the API server refuses to change a claim; its real refusals are in tests/integration."""

from __future__ import annotations

from typing import Any

import pytest

from inventory_operator.components.volumes import with_way_out

FIELD = "spec.prometheus.storage"
SENTENCE = 'PersistentVolumeClaim "c" is invalid: spec: Forbidden: spec is immutable after creation'
OTHERS = "was changed (spec.resources.requests.storage by somebody) and can't be put back: "


def claim(size: str, phase: str = "Bound", **spec: str) -> dict[str, Any]:
    metadata = {"namespace": "shop", "name": "c"}
    return {
        "metadata": metadata,
        "spec": {"resources": {"requests": {"storage": size}}, **spec},
        "status": {"phase": phase},
    }


@pytest.mark.parametrize("before", ["", OTHERS])
def test_the_way_out_takes_the_place_of_the_sentence_and_who_changed_it_stays(before: str) -> None:
    said = with_way_out(before + SENTENCE, claim("5Gi"), claim("10Gi"), FIELD)
    assert said == f"{before}its 10Gi can't shrink to 5Gi: set {FIELD}.size to 10Gi or more"


@pytest.mark.parametrize(
    ("message", "wanted", "live"),
    [
        ("exceeded quota", claim("5Gi"), claim("10Gi")),
        ("spec is immutable", claim("5Gi"), claim("10Gi")),
        (SENTENCE, claim("10Gi"), claim("10Gi", storageClassName="fast")),
    ],
    ids=["another refusal", "another sentence", "nothing that we know"],
)
def test_what_is_not_understood_stays_as_it_is(message: str, wanted: dict[str, Any], live: dict[str, Any]) -> None:
    assert with_way_out(message, wanted, live, FIELD) == message
