"""The objects that a spec refers to by name: which they are, what they hold, and when that changes.

A label selector can't see a user's Secret, so each name has a watch of its own. Values stay in memory; it logs none.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from inventory_operator.cluster import TRANSIENT, ApiError, Cluster
from inventory_operator.resources import SECRETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from inventory_operator.naming import Key, Names
    from inventory_operator.servicespec import Service
    from inventory_operator.spec import Spec

log = structlog.get_logger(__name__)

#: A watch ends and begins anew this often; the list in between finds what it missed.
WATCH_SECONDS = 290
RETRY_SECONDS = 2.0
#: Longer than one request may take; a worker waits no longer for an API server that does not answer.
LIST_SECONDS = 35.0
GONE = 410
#: A file of TOKENS_DIR (service/inventory_service): the scope of a token is the end of its name.
TOKEN_KEY = (r"[A-Za-z0-9][-._A-Za-z0-9]{0,99}\.(read|write|admin)", "NAME.SCOPE with the scope read, write or admin")
Name = tuple[str, str]


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
    made_here: bool = False

    def used(self, data: Mapping[str, str]) -> dict[str, str]:
        """Return the part of the Secret's `data` that the component starts with."""
        return {key: data[key] for key in (self.keys or data) if key in data}

    def lacks(self, data: Mapping[str, str] | None) -> str | None:
        """Return what the Secret lacks, in words; None when it is complete. `data` is None where there is none."""
        if data is None:
            return f"there is no Secret {self.name} in the stack's namespace"
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
    """Return every Secret that `spec` refers to and that a component can't run without.

    Not the certificate of an ingress: cert-manager makes it after the ingress.
    """
    found = list(_of_the_service(spec.service, names))
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
        yield Reference("service", names.database_secret, ("uri",), path, made_here=True)
    if service.rate_limit_store:
        ref = service.rate_limit_store.secret_key_ref
        yield Reference("service", ref.name, (ref.key,), "spec.service.rateLimitStore.secretKeyRef")
    if service.authentication:
        path = "spec.service.authentication.tokensSecretName"
        yield Reference("service", service.authentication.tokens_secret_name, (), path, shape=TOKEN_KEY)


def digest(key: bytes, values: Mapping[str, str]) -> str:
    """Return a keyed digest of secret values: it tells that they changed, and can't be searched for what they are."""
    message = "\0".join(f"{name}\0{value}" for name, value in sorted(values.items()))
    return hmac.new(key, message.encode(), hashlib.sha256).hexdigest()[:24]


class ReferenceWatcher:
    """Keeps the data of every referenced Secret; `changed` is called with each stack that a change concerns."""

    def __init__(self, cluster: Cluster, changed: Callable[[Key], None]) -> None:
        self._cluster = cluster
        self._changed = changed
        self._data: dict[Name, dict[str, str] | None] = {}
        self._wanted: dict[Name, set[Key]] = {}
        self._tasks: dict[Name, asyncio.Task[None]] = {}
        self._listed: dict[Name, asyncio.Event] = {}

    async def want(self, key: Key, names: Iterable[str]) -> None:
        """Watch exactly these names for `key`, and wait until what they hold is known; else TimeoutError."""
        wanted = {(key[0], name) for name in names}
        for name in [name for name, keys in self._wanted.items() if key in keys and name not in wanted]:
            self._drop(name, key)
        for name in wanted:
            self._wanted.setdefault(name, set()).add(key)
            if name not in self._tasks:
                self._listed[name] = asyncio.Event()
                self._tasks[name] = asyncio.create_task(self._follow(name))
        async with asyncio.timeout(LIST_SECONDS):
            for name in wanted:
                await self._listed[name].wait()

    def data(self, namespace: str, name: str) -> dict[str, str] | None:
        """Return the (base64) data of a wanted Secret; None where there is no such Secret."""
        return self._data.get((namespace, name))

    async def close(self) -> None:
        """End every watch."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _drop(self, name: Name, key: Key) -> None:
        self._wanted[name].discard(key)
        if not self._wanted[name]:
            self._tasks.pop(name).cancel()
            for memory in (self._wanted, self._data, self._listed):
                memory.pop(name, None)

    async def _follow(self, name: Name) -> None:
        while True:
            try:
                await self._list_and_watch(name)
            except (*TRANSIENT, ApiError) as error:
                if not (isinstance(error, ApiError) and error.code == GONE):
                    said = str(error) or type(error).__name__
                    log.warning("reference watch broke", namespace=name[0], secret=name[1], error=said)
                await asyncio.sleep(RETRY_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311

    async def _list_and_watch(self, name: Name) -> None:
        namespace, selector = name[0], f"metadata.name={name[1]}"
        objects, version = await self._cluster.list(SECRETS, namespace, fieldSelector=selector)
        self._see(name, objects[0] if objects else None)
        events = self._cluster.watch(
            SECRETS, namespace, WATCH_SECONDS, fieldSelector=selector, resourceVersion=str(version)
        )
        async with contextlib.aclosing(events) as stream:
            async for event in stream:
                self._see(name, None if event["type"] == "DELETED" else event["object"])

    def _see(self, name: Name, secret: dict[str, Any] | None) -> None:
        data = None if secret is None else secret.get("data", {})
        first = not self._listed[name].is_set()
        if first or data != self._data.get(name):
            self._data[name] = data
            self._listed[name].set()
            if not first:
                for key in self._wanted[name]:
                    self._changed(key)
