"""Whose an object is, told from its metadata, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.framework.faulty_cluster import STACK, Object, live, manifest

from inventory_operator.api import metadata as meta
from inventory_operator.components.blocker import Turn
from inventory_operator.controller.ownership import NotOursError, check_claim, origin
from inventory_operator.kube.field_ownership import owned_fields

LABELS = meta.labels(STACK, "service")
OWNER = meta.owner_reference(STACK)
OTHER = {"kind": "ReplicaSet", "name": "other", "uid": "u-other", "controller": True}


def check(**metadata: Any) -> bool:
    """Check an object with exactly this metadata; its managed fields are of somebody else where none are given."""
    obj = {"kind": "Service", "metadata": {"name": "shop-inventory", **metadata}}
    return check_claim(obj, owned_fields(obj), STACK)


def signed(**fields: Object) -> list[Object]:
    return [{"manager": meta.FIELD_MANAGER, "fieldsV1": {"f:metadata": fields}}]


BY_LABEL = signed(**{"f:labels": {f"f:{meta.UID_LABEL}": {}}})
BY_OWNER = signed(**{"f:ownerReferences": {'k:{"uid":"u-shop"}': {}}})


def test_what_we_applied_is_ours() -> None:
    obj = live(manifest())
    assert check_claim(obj, owned_fields(obj), STACK)


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": LABELS, "managedFields": BY_LABEL},
        {"labels": {meta.UID_LABEL: STACK.uid}, "managedFields": BY_LABEL},
        {"ownerReferences": [OWNER], "managedFields": BY_OWNER},
        {"ownerReferences": [{**OTHER, "controller": False}, OWNER], "managedFields": BY_OWNER},
    ],
)
def test_the_uid_of_the_stack_and_our_field_manager_prove_it(metadata: Object) -> None:
    assert check(**metadata)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"ownerReferences": [OWNER]},
        {"managedFields": BY_OWNER},
        {"managedFields": BY_LABEL, "labels": {**LABELS, meta.UID_LABEL: "u-before"}},
        {"labels": LABELS, "ownerReferences": [OWNER], "managedFields": [{**BY_LABEL[0], "manager": "somebody"}]},
        {"labels": LABELS, "ownerReferences": [OWNER], "managedFields": signed(**{"f:labels": {"f:other": {}}})},
        {"labels": LABELS, "managedFields": [{**BY_LABEL[0], "subresource": "status"}]},
    ],
)
def test_one_of_the_two_proves_nothing(metadata: Object) -> None:
    labels = {meta.STACK_LABEL: STACK.name, **metadata.get("labels", {})}
    assert not check(**{**metadata, "labels": labels}), "its content is looked at"
    with pytest.raises(NotOursError) as refused:
        check(**{**metadata, "labels": {}})
    assert (refused.value.reason, refused.value.turn) == ("NameTaken", Turn.USER)


def test_another_controller_outweighs_everything() -> None:
    with pytest.raises(NotOursError, match="belongs to ReplicaSet other: it is left alone"):
        check(labels=LABELS, ownerReferences=[OTHER], managedFields=BY_LABEL)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({}, "was not made for this stack"),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "is managed by Helm"),
        ({"labels": {"app.kubernetes.io/managed-by": meta.FIELD_MANAGER}}, "was not made for this stack"),
        (
            {
                "managedFields": [
                    {"manager": "kubectl-edit", "time": "2026-02-01T00:00:00Z"},
                    {"manager": "kubectl-create", "time": "2026-01-01T00:00:00Z"},
                    {"manager": "controller", "time": "2025-01-01T00:00:00Z", "subresource": "status"},
                    {"manager": meta.FIELD_MANAGER},
                ]
            },
            "was written by the field manager kubectl-create",
        ),
        ({"managedFields": [{"manager": "a\n\u202e" + "b" * 999}]}, f"was written by the field manager a??{'b' * 60}"),
    ],
)
def test_where_an_object_comes_from_is_said_in_bounded_and_safe_words(metadata: Object, words: str) -> None:
    assert origin({"metadata": metadata}) == words
