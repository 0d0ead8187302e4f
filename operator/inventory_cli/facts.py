"""What the operator knows beside a spec, from a file: without a cluster nothing else can tell it.

The names are those of the operator's settings and of the inputs of its render.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from inventory_cli.failure import Failure
from inventory_cli.stacks import NO_UID, load
from inventory_operator.components import enabled
from inventory_operator.components.component import Circumstances
from inventory_operator.components.rights import ingress_blockers
from inventory_operator.kube.kinds import CLUSTERS
from inventory_operator.manifests.render import RenderInputs
from inventory_operator.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from inventory_operator.api.metadata import Names
    from inventory_operator.api.stack import Spec
    from inventory_operator.components.blocker import Blocker

Digests = dict[str, str]


class Facts(BaseModel):
    """The facts; what a file leaves out is as in an operator that nobody has set anything of."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel)

    #: The image of stacks that name none; the operator's `--service-image`.
    service_image: str = Settings().service_image
    #: Where the operator's pod runs; network policies let it in.
    operator_namespace: str | None = None
    #: Whether the operator works in one namespace only.
    single_namespace: bool = False
    allow_kubelet_metrics: bool = False
    kubelet_insecure_skip_verify: bool = False
    runbook_url: str | None = None
    allowed_ingress_hosts: tuple[str, ...] = Field((), strict=False)
    allowed_ingress_annotations: tuple[str, ...] = Field((), strict=False)
    allowed_ingress_classes: tuple[str, ...] = Field((), strict=False)
    #: Whether the cluster has CloudNativePG.
    cloud_native_pg: bool = True
    #: `metadata.uid` of the stack and of its namespace.
    stack_uid: str | None = None
    namespace_uid: str | None = None
    #: By component, as they are in the cluster: digests of Secrets, and checked files of users by their key.
    secret_digests: Digests = Field(default_factory=dict)
    mounted_digests: Digests = Field(default_factory=dict)
    user_files: dict[str, dict[str, str]] = Field(default_factory=dict)

    def settings(self, namespace: str) -> Settings:
        """Return the operator's settings; `namespace` is that of the stack."""
        return Settings(
            namespace=namespace if self.single_namespace else None,
            operator_namespace=self.operator_namespace,
            service_image=self.service_image,
            allow_kubelet_metrics=self.allow_kubelet_metrics,
            allowed_ingress_hosts=self.allowed_ingress_hosts,
            allowed_ingress_annotations=self.allowed_ingress_annotations,
            allowed_ingress_classes=self.allowed_ingress_classes,
            kubelet_insecure_skip_verify=self.kubelet_insecure_skip_verify,
            runbook_url=self.runbook_url,
        )

    def inputs(self, spec: Spec, namespace: str) -> RenderInputs:
        """Return what the operator would render the spec with."""
        kubelet = spec.container_metrics != "none" and self.settings(namespace).kubelet_metrics
        return RenderInputs(
            service_image=self.service_image,
            operator_namespace=self.operator_namespace,
            namespace_uid=(self.namespace_uid or NO_UID) if kubelet else None,
            kubelet_insecure_skip_verify=self.kubelet_insecure_skip_verify,
            runbook_url=self.runbook_url,
            secret_digests=self.secret_digests,
            mounted_digests=self.mounted_digests,
            user_files=self.user_files,
        )

    def refusals(self, spec: Spec, names: Names, namespace: str) -> list[Blocker]:
        """Return what of a spec this operator would hold back: what its settings do not open, what is not installed."""
        settings = self.settings(namespace)
        circumstances = Circumstances({}, {CLUSTERS.kind} if self.cloud_native_pg else set(), settings)
        found: list[Blocker] = []
        for component in enabled(spec):
            found += component.blockers(spec, names, circumstances)
            found += ingress_blockers(component, spec, names, settings)
        return found


def read(file: Path | None) -> Facts:
    """Return the facts of a file, or those of an operator of which nothing is known; Failure where it is invalid."""
    if file is None:
        return Facts()
    try:
        given: Any = yaml.load(load(file), Loader=yaml.CSafeLoader)
        return Facts.model_validate({} if given is None else given)
    except yaml.YAMLError as error:
        raise Failure(f"{file}: is not valid YAML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"]) or "the file"
        raise Failure(f"{file}: {path}: {first['msg'].lower()}; known are {_names()}") from None


def _names() -> str:
    return ", ".join(field.alias or name for name, field in Facts.model_fields.items())
