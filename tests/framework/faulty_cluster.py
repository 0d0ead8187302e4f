"""An API server that refuses as a test says, and objects of a stack for it; shared by the tests of the applier.

Real refusals of a real API server are in tests/integration.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import aiohttp

from inventory_operator.api import metadata as meta
from inventory_operator.controller.adoption import ABSENT
from inventory_operator.controller.pod_annotations import PodAnnotations
from inventory_operator.kube import field_ownership
from inventory_operator.kube.client import APPLY, MERGE, ApiError, BrokenAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from inventory_operator.controller.applier import Applier
    from inventory_operator.kube.kinds import Resource

Object = dict[str, Any]
STACK = meta.Stack("ns", "shop", "u-shop")
REFUSED = ApiError(422, "Invalid", "spec.x: field is immutable")
FORBIDDEN = ApiError(403, "Forbidden", "exceeded quota")
CONFLICT = ApiError(409, "Conflict", "the object has been modified")
UNKNOWN_FIELD = ApiError(
    500, "", "failed to create typed patch object (shop/x; v1): .spec.x: field not declared in schema"
)
BROKEN = ApiError(500, "InternalError", "etcdserver: request timed out")
#: Failures that pass by themselves: each may meet each kind of write.
PASSING: dict[str, Exception] = {
    "connection": aiohttp.ClientConnectionError("reset"),
    "timeout": TimeoutError(),
    "garbage": BrokenAnswerError("the answer is not valid JSON"),
    "403": FORBIDDEN,
    "409": CONFLICT,
    "413": ApiError(413, "RequestEntityTooLarge", "too large"),
    "429": ApiError(429, "TooManyRequests", "please try again later"),
    "500": BROKEN,
    "webhook": ApiError(500, "InternalError", 'failed calling webhook "x": context deadline exceeded'),
}


class FaultyCluster:
    """Takes every write as an API server does, but for the faults that a test puts in its way."""

    def __init__(self) -> None:
        self.writes: list[str] = []
        self.sent: list[Object] = []
        self.objects: dict[tuple[str, str], Object] = {}
        self.fault: Callable[[str, Object], Exception | None] = lambda _verb, _obj: None
        self._versions = itertools.count(100)

    def _take(self, verb: str, obj: Object) -> Object:
        only_creates = verb == "create" or obj["metadata"].get("resourceVersion") == ABSENT["resourceVersion"]
        if only_creates and (obj["kind"], obj["metadata"]["name"]) in self.objects:
            raise ApiError(409, "AlreadyExists", "already exists")
        self.writes.append(f"{verb} {obj['kind']} {obj['metadata']['name']}")
        self.sent.append(obj)
        if error := self.fault(verb, obj):
            raise error
        known = self.objects.get((obj["kind"], obj["metadata"]["name"]), {})
        metadata = {"uid": "u-child", "generation": 1, **known.get("metadata", {}), **obj["metadata"]}
        metadata |= {"resourceVersion": str(next(self._versions)), "managedFields": [ours(obj)]}
        taken = {**known, **obj, "metadata": metadata}
        if known.get("data") and obj.get("data"):
            taken["data"] = {**known["data"], **obj["data"]}
        self.objects[obj["kind"], obj["metadata"]["name"]] = taken
        return taken

    async def apply(self, obj: Object, **_: Any) -> Object:
        return self._take("apply", obj)

    async def create(self, obj: Object) -> Object:
        return self._take("create", obj)

    async def patch(self, obj: Object, patch: Object, content_type: str = "strategic") -> Object:
        self.sent.append(patch)
        return self._take("merge" if content_type == MERGE else "patch", obj)

    async def preview(self, obj: Object, body: Any, content_type: str) -> Object:
        """Return the object with the content of both, or of `body` alone."""
        live = self.objects[obj["kind"], obj["metadata"]["name"]]
        if content_type == APPLY:
            return {**live, **body, "metadata": {**live["metadata"], **body["metadata"]}}
        alone = {key: live[key] for key in ("apiVersion", "kind")} | {"metadata": {}}
        for operation in body:
            *parents, name = operation["path"].split("/")[1:]
            if operation["op"] == "add":
                (alone["metadata"] if parents else alone)[name] = operation["value"]
        return alone

    async def delete(self, obj: Object) -> None:
        self._take("delete", obj)

    async def request(self, method: str, path: str, body: Object) -> Object:
        """Take an Event."""
        assert (method, path.rpartition("/")[2]) == ("POST", "events")
        return body

    async def get(self, resource: Resource, name: str, _: str | None = None) -> Object | None:
        there = {(meta.KIND, STACK.name): {"metadata": {"name": STACK.name, "uid": STACK.uid}}}
        return (there | self.objects).get((resource.kind, name))


def ours(obj: Object) -> Object:
    """An entry of managedFields that covers every field of `obj`."""

    def tree(value: Any) -> Object:
        return {f"f:{key}": tree(item) for key, item in value.items()} if isinstance(value, dict) else {}

    metadata = {key: value for key, value in obj["metadata"].items() if key in {"labels", "annotations"}}
    body = {key: value for key, value in obj.items() if key not in {"apiVersion", "kind", "metadata"}}
    managed = tree({**body, "metadata": metadata})
    if owners := obj["metadata"].get("ownerReferences"):
        managed["f:metadata"]["f:ownerReferences"] = {f'k:{{"uid":"{owner["uid"]}"}}': {} for owner in owners}
    return {"manager": meta.FIELD_MANAGER, "fieldsV1": managed}


def manifest(kind: str = "Service", name: str = "shop-inventory", component: str = "service", **body: Any) -> Object:
    labels, owners = meta.labels(STACK, component), [meta.owner_reference(STACK)]
    metadata = {"name": name, "namespace": "ns", "labels": labels, "ownerReferences": owners}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **(body or {"spec": {"a": 1}})}


def live(wanted: Object, version: int = 5, **metadata: Any) -> Object:
    """`wanted` as the API server shows it once it was applied."""
    stamped = field_ownership.with_applied_hash(wanted)
    seen = {
        "resourceVersion": str(version),
        "uid": "u-child",
        "generation": 1,
        "managedFields": [ours(stamped)],
        **metadata,
    }
    return {**stamped, "metadata": {**stamped["metadata"], **seen}}


def secret(**data: str) -> Object:
    made = manifest("Secret", "shop-grafana", "grafana", type="Opaque", **({"data": data} if data else {}))
    made["metadata"]["annotations"] = {meta.GENERATE_ANNOTATION: "admin-password,token"}
    del made["metadata"]["ownerReferences"]
    return made


def pods_of(applier: Applier) -> PodAnnotations:
    """What annotates the pods that this applier's pass has seen."""
    return PodAnnotations(applier.cluster, applier.store, applier.guard)
