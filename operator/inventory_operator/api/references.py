"""How a spec names a key of a Secret or of a ConfigMap in the stack's namespace."""

from __future__ import annotations

from typing import Annotated

from annotated_types import MaxLen

from inventory_operator.api.markers import Doc
from inventory_operator.api.resources import AtomicModel, Model
from inventory_operator.api.strings import ConfigMapKey, ConfigMapName, ObjectName, SecretKey

_KeyInSecret = Annotated[SecretKey, Doc("The key in the Secret.")]


class SecretKeyRef(AtomicModel):
    """The key of a Secret that holds a URL."""

    name: Annotated[ObjectName, Doc("The name of the Secret.")]
    key: _KeyInSecret = "url"


class PasswordRef(SecretKeyRef):
    """The key of a Secret that holds a password."""

    key: _KeyInSecret = "password"


class RoutingKeyRef(SecretKeyRef):
    """The key of a Secret that holds a routing key of PagerDuty."""

    key: _KeyInSecret = "routing-key"


class TokenRef(SecretKeyRef):
    """The key of a Secret that holds a bearer token."""

    key: _KeyInSecret = "token"


class ConfigMapKeyRef(Model):
    """A key of a ConfigMap in the stack's namespace."""

    name: Annotated[ConfigMapName, Doc("The name of the ConfigMap.")]
    key: Annotated[ConfigMapKey, Doc("The key in the ConfigMap.")]


UserFiles = Annotated[tuple[ConfigMapKeyRef, ...], MaxLen(20)]
