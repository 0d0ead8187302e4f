"""Where the pods of a stack run, what pulls their images, and which labels and annotations of the user's they have.

Affinity, tolerations and spread constraints are objects of Kubernetes: the API server checks what is in them when it
gets the pod template. Here they are only bounded.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self

from annotated_types import MaxLen
from pydantic import AfterValidator, Field

from inventory_operator.api.errors import path_of, raise_cross_field_errors
from inventory_operator.api.keys import KeySet
from inventory_operator.api.markers import Doc
from inventory_operator.api.quantities import CheckedType, expected_error
from inventory_operator.api.resources import Model
from inventory_operator.api.strings import AnnotationValue, LabelValue, ObjectName

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import GetJsonSchemaHandler
    from pydantic_core import core_schema

#: Kubernetes' own objects are at most half as deep.
_DEEPEST = 16


@dataclass(frozen=True, slots=True)
class PreservedObject(CheckedType):
    """An object of Kubernetes that is passed on as it is: bounded, of JSON, without nulls."""

    max_properties: int
    max_bytes: int

    def check(self, value: object) -> dict[str, Any]:
        """Return the object, or raise what is wrong with it."""
        if not isinstance(value, dict):
            raise expected_error("an object")
        if len(value) > self.max_properties:
            raise expected_error(f"an object of at most {self.max_properties} fields")
        raise_cross_field_errors((path_of(path), problem) for path, problem in _not_json(value, ()))
        if len(json.dumps(value, ensure_ascii=False).encode(errors="replace")) > self.max_bytes:
            raise expected_error(f"at most {self.max_bytes} bytes of JSON")
        return value

    def __get_pydantic_json_schema__(
        self, _schema: core_schema.CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        preserved = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        return preserved | {"maxProperties": self.max_properties}


def _not_json(value: object, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield each part that has no place in a manifest, with its path."""
    if len(path) > _DEEPEST:
        yield path, f"nested deeper than {_DEEPEST} levels"
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _not_json(part, (*path, str(key)))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _not_json(part, (*path, index))
    elif value is None:
        yield path, "null is not allowed; leave the field out"
    elif not isinstance(value, str | bool | int):
        yield path, "expected text, a whole number, true or false"


class ImagePullSecret(Model):
    """A Secret with the credentials of a registry."""

    name: Annotated[ObjectName, Doc("The name of the Secret.")]


def _each_once(secrets: tuple[ImagePullSecret, ...]) -> tuple[ImagePullSecret, ...]:
    if len({secret.name for secret in secrets}) < len(secrets):
        raise_cross_field_errors([("", "each Secret can be named once")])
    return secrets


_NODE_LABELS = KeySet("label", "kubernetes.io/arch")
_POD_LABELS = KeySet(
    "label",
    "example.com/team",
    "^([-a-z0-9.]+[.])?inventorystack[.]dev/|^app[.]kubernetes[.]io/|^pod-template-hash$",
    "inventorystack.dev/..., app.kubernetes.io/... and pod-template-hash",
)
_POD_ANNOTATIONS = KeySet(
    "annotation",
    "example.com/contact",
    "^([-a-z0-9.]+[.])?inventorystack[.]dev/|^kubectl[.]kubernetes[.]io/|^prometheus[.]io/",
    "inventorystack.dev/..., kubectl.kubernetes.io/... and prometheus.io/...",
)

_Affinity = Annotated[dict[str, Any], PreservedObject(max_properties=3, max_bytes=8192)]
_Toleration = Annotated[dict[str, Any], PreservedObject(max_properties=8, max_bytes=1024)]
_SpreadConstraint = Annotated[dict[str, Any], PreservedObject(max_properties=12, max_bytes=2048)]
_ByName = Field(
    strict=False, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
)


class Placement(Model):
    """Where pods run. A field that is None says nothing; an empty list or map says that there is none."""

    image_pull_secrets: Annotated[
        Annotated[tuple[ImagePullSecret, ...], MaxLen(10), AfterValidator(_each_once), _ByName] | None,
        Doc(
            "Secrets of type kubernetes.io/dockerconfigjson in the stack's namespace, with which the images are "
            "pulled.",
            [{"name": "registry-login"}],
        ),
    ] = None
    node_selector: Annotated[
        Annotated[dict[Annotated[str, _NODE_LABELS.type], LabelValue], MaxLen(20), _NODE_LABELS.rules] | None,
        Doc("Labels that a node must have.", {"kubernetes.io/arch": "amd64"}),
    ] = None
    tolerations: Annotated[
        Annotated[tuple[_Toleration, ...], MaxLen(20), Field(strict=False)] | None,
        Doc(
            "Taints of nodes that are tolerated, as in a pod.",
            [{"key": "dedicated", "operator": "Equal", "value": "shop", "effect": "NoSchedule"}],
        ),
    ] = None
    affinity: Annotated[
        _Affinity | None,
        Doc(
            "Rules on nodes and on the pods beside, as in a pod: nodeAffinity, podAffinity, podAntiAffinity. Without a "
            "podAntiAffinity of yours, Alertmanagers prefer different nodes.",
            {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [
                            {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["shop"]}]}
                        ]
                    }
                }
            },
        ),
    ] = None
    topology_spread_constraints: Annotated[
        Annotated[tuple[_SpreadConstraint, ...], MaxLen(10), Field(strict=False)] | None,
        Doc(
            "How pods are spread over zones or nodes, as in a pod. Without a labelSelector: the pods of the component.",
            [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}],
        ),
    ] = None
    priority_class_name: Annotated[ObjectName | None, Doc("The PriorityClass of the pods.", "shop-critical")] = None
    pod_labels: Annotated[
        Annotated[dict[Annotated[str, _POD_LABELS.type], LabelValue], MaxLen(20), _POD_LABELS.rules] | None,
        Doc(
            "More labels of the pods. Not allowed are those of app.kubernetes.io and inventorystack.dev, and "
            "pod-template-hash.",
            {"example.com/team": "shop"},
        ),
    ] = None
    pod_annotations: Annotated[
        Annotated[dict[Annotated[str, _POD_ANNOTATIONS.type], AnnotationValue], MaxLen(20), _POD_ANNOTATIONS.rules]
        | None,
        Doc(
            "More annotations of the pods. Not allowed are those of inventorystack.dev, kubectl.kubernetes.io and "
            "prometheus.io.",
            {"example.com/contact": "shop-team"},
        ),
    ] = None

    def overridden_by(self, component: Placement) -> Self:
        """Return the placement of a component: maps are merged key by key, anything else is the component's if set."""
        return self.model_copy(update={name: _merged(getattr(self, name), value) for name, value in component})


def _merged(stack: Any, component: Any) -> Any:
    if component is None:
        return stack
    return stack | component if isinstance(stack, dict) and isinstance(component, dict) else component


_EXAMPLE = {"nodeSelector": {"kubernetes.io/arch": "amd64"}}


def placement_of(pods: str) -> Doc:
    """Return the description of the placement of a component."""
    return Doc(
        f"Where {pods} run. What is left out is that of spec.placement; maps are merged key by key, lists are not.",
        _EXAMPLE,
    )


PLACEMENT_OF_STACK = Doc(
    "Where all pods of the stack run, with what their images are pulled, and more labels and annotations of the pods. "
    "Each component has a placement, too, which wins: field by field, in maps and in affinity key by key.",
    {"imagePullSecrets": [{"name": "registry-login"}], "nodeSelector": {"kubernetes.io/arch": "amd64"}},
)
