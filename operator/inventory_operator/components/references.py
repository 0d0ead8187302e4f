"""The objects that a spec refers to by name: which they are, what they must hold, and who uses it how.

Pure: it judges data that it is given, and never asks the API server.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from inventory_operator.api.alerting import Alerting
    from inventory_operator.api.metadata import Names
    from inventory_operator.api.service import SecretKeyRef, Service
    from inventory_operator.api.stack import Prometheus, Spec

#: A file of TOKENS_DIR (service/inventory_service): the scope of a token is the end of its name.
TOKEN_KEY = (r"[A-Za-z0-9][-._A-Za-z0-9]{0,99}\.(read|write|admin)", "NAME.SCOPE with the scope read, write or admin")


@dataclass(frozen=True, slots=True)
class Reference:
    """Keys of a Secret in the stack's namespace, and where the spec names it."""

    component: str
    name: str
    #: Empty where it is for its owner to say which there are: then all of them are used.
    keys: tuple[str, ...]
    path: str
    #: What every key looks like, where `keys` is empty: a pattern, and the words for it.
    shape: tuple[str, str] = ("", "")
    #: Whether it comes of what the stack itself applies, so that nothing but its component waits for it.
    created_by_stack: bool = False
    #: Whether pods read it as files again and again: they start without it, and a change restarts nothing.
    mounted: bool = False

    @property
    def wanted(self) -> tuple[str, str]:
        """Kind and name, as the ReferenceWatcher wants them."""
        return ("Secret", self.name)

    def used(self, data: Mapping[str, str]) -> dict[str, str]:
        """Return the part of the Secret's `data` that the component starts with."""
        return {key: data[key] for key in (self.keys or data) if key in data}

    def missing_reason(self, data: Mapping[str, str] | None) -> str | None:
        """Return what is missing, in words; None when it is complete. `data` is None where there is no Secret."""
        if data is None:
            return f'Secret "{self.name}" not found'
        if empty := [key for key in (self.keys or sorted(data)) if not data.get(key)]:
            return f"Secret {self.name} has no value under key {empty[0]}"
        pattern, words = self.shape
        if pattern and not data:
            return f"Secret {self.name} is empty: expected at least one {words}"
        if not all(re.fullmatch(pattern, key) for key in data if pattern):
            # Which one is not said: somebody may have pasted a token as the name.
            return f"Secret {self.name} has a key of another kind: expected only {words}"
        return None


def references(spec: Spec, names: Names) -> tuple[Reference, ...]:
    """Return every Secret that `spec` refers to.

    Not the certificate of an ingress: cert-manager makes it after the ingress.
    """
    found = [*_of_the_service(spec.service, names), *_of_prometheus(spec.prometheus)]
    if spec.alerting.enabled:
        found += _of_alerting(spec.alerting)
    if spec.grafana.enabled and spec.grafana.admin_secret_name:
        keys = ("admin-user", "admin-password")
        found.append(Reference("grafana", spec.grafana.admin_secret_name, keys, "spec.grafana.adminSecretName"))
    return tuple(found)


def _of_the_service(service: Service, names: Names) -> Iterator[Reference]:
    if external := service.database.external:
        ref = external.secret_key_ref
        yield Reference("service", ref.name, (ref.key,), "spec.service.database.external.secretKeyRef")
    if service.database.cloud_native_pg:
        path = "spec.service.database.cloudNativePG"
        yield Reference("service", names.database_secret, ("uri",), path, created_by_stack=True)
    if service.rate_limit_store:
        ref = service.rate_limit_store.secret_key_ref
        yield Reference("service", ref.name, (ref.key,), "spec.service.rateLimitStore.secretKeyRef")
    if service.authentication:
        path = "spec.service.authentication.tokensSecretName"
        yield Reference("service", service.authentication.tokens_secret_name, (), path, shape=TOKEN_KEY)


def _of_prometheus(prometheus: Prometheus) -> Iterator[Reference]:
    for index, name in enumerate(prometheus.secrets):
        yield Reference("prometheus", name, (), f"spec.prometheus.secrets[{index}]", mounted=True)
    for index, write in enumerate(prometheus.remote_write):
        for field, credentials in (("basicAuth", write.basic_auth), ("authorization", write.authorization)):
            if credentials:
                path = f"spec.prometheus.remoteWrite[{index}].{field}.secretKeyRef"
                yield _mounted("prometheus", credentials.secret_key_ref, path)


def _of_alerting(alerting: Alerting) -> Iterator[Reference]:
    receivers = alerting.receivers
    named = {"slack": receivers.slack, "webhook": receivers.webhook, "pagerDuty": receivers.pager_duty}
    for name, receiver in named.items():
        if receiver:
            yield _mounted("alertmanager", receiver.secret_key_ref, f"spec.alerting.receivers.{name}.secretKeyRef")
    if receivers.email and receivers.email.secret_key_ref:
        path = "spec.alerting.receivers.email.secretKeyRef"
        yield _mounted("alertmanager", receivers.email.secret_key_ref, path)
    if alerting.heartbeat:
        yield _mounted("alertmanager", alerting.heartbeat.secret_key_ref, "spec.alerting.heartbeat.secretKeyRef")


def _mounted(component: str, ref: SecretKeyRef, path: str) -> Reference:
    return Reference(component, ref.name, (ref.key,), path, mounted=True)


def digest(key: bytes, values: Mapping[str, str]) -> str:
    """Return a keyed digest of secret values: it tells that they changed, and can't be searched for what they are."""
    message = "\0".join(f"{name}\0{value}" for name, value in sorted(values.items()))
    return hmac.new(key, message.encode(), hashlib.sha256).hexdigest()[:24]
