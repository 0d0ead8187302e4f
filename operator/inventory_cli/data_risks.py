"""What a change of a spec puts at risk of the data that a stack holds: volumes, databases, history.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from inventory_cli.foretelling import Effect
from inventory_operator.api.metadata import KEEPS_DATA
from inventory_operator.api.quantities import duration_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from inventory_cli.foretelling import Change
    from inventory_operator.api.stack import Spec


def data_risks(old: Spec, new: Spec, changes: Iterable[Change]) -> list[str]:
    """Return a sentence for each thing that becomes of data and can't be undone, or leaves data behind."""
    return [*_of_specs(old, new), *_of_objects(changes)]


def _of_specs(old: Spec, new: Spec) -> Iterator[str]:
    if _database(old) != _database(new):
        yield (
            "spec.service.database: the service starts on another database, and nothing is copied there: "
            "export the products first (docs/import-export.md)"
        )
    if (old.deletion_policy, new.deletion_policy) == ("Retain", "Delete"):
        yield "spec.deletionPolicy: volumes and generated credentials go with the stack when it is deleted"
    before, after = old.prometheus.retention, new.prometheus.retention
    if duration_seconds(after) < duration_seconds(before):
        yield f"spec.prometheus.retention: Prometheus deletes the history that is older than {after} (before: {before})"


def _database(spec: Spec) -> str:
    """Return what tells one database from another; the size of a volume is none of it."""
    database = spec.service.database
    if database.external:
        return f"external {database.external.secret_key_ref}"
    return "CloudNativePG" if database.cloud_native_pg else "SQLite"


def _of_objects(changes: Iterable[Change]) -> Iterator[str]:
    for change in changes:
        if change.kind not in KEEPS_DATA:
            continue
        name = f"{change.kind} {change.name}"
        if change.effect is Effect.KEPT:
            yield f"{name} stays with its data, and the stack does not use it any more"
        elif change.effect is Effect.REUSED:
            yield f"{name} is there from before, and is used again with the data in it"
