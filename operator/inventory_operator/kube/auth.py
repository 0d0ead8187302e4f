"""How to reach the API server: credentials of the pod or of `$KUBECONFIG`, and sessions that stay signed in.

The only importer of `kubernetes`.
"""

from __future__ import annotations

import os
import socket
import ssl
from asyncio import sslproto
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import yaml
from kubernetes.aio import client, config

from inventory_operator.settings import SERVICE_ACCOUNT_NAMESPACE

#: An API server that can't be reached answers no sooner for a longer wait; kopf's default has no limit.
CONNECT_SECONDS = 10.0
#: A watch is silent for a minute at a time: the kernel asks whether the other side is there, and gives up after 25 s.
KEEPALIVE = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
UNAUTHORIZED = 401
#: Bytes. asyncio keeps a buffer of 256 KiB for each TLS connection, however little comes in: 15 MB for the operator's
#: own, and more with each namespace whose specs refer to something. A TLS record has 16 KiB at most (RFC 8446, 5.1).
sslproto.SSLProtocol.max_size = 32 * 1024
#: What the client raises for a kubeconfig that is none: it reads it as it comes.
_UNUSABLE = (config.ConfigException, OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError)
Handler = Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]


class NoConnectionError(Exception):
    """There are no usable credentials; the message says where they were looked for."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where credentials come from: a kubeconfig and a context of it.

    Without a file it is the pod's service account, and outside a cluster `$KUBECONFIG`, or kubectl's default file.
    """

    file: str | None = None
    context: str | None = None

    @property
    def in_cluster(self) -> bool:
        """Whether it is the pod's service account."""
        named = self.file or self.context or os.environ.get("KUBECONFIG")
        return bool(os.environ.get("KUBERNETES_SERVICE_HOST")) and not named

    @property
    def kubeconfig(self) -> str | None:
        """The file, or several as `$KUBECONFIG` has them; None is kubectl's default one."""
        # The client itself looks at $KUBECONFIG only once, when it is imported.
        return self.file or os.environ.get("KUBECONFIG") or None

    def namespace(self) -> str:
        """Return the namespace of the context, as kubectl has it; NoConnectionError where there is no such context."""
        if self.in_cluster:
            return SERVICE_ACCOUNT_NAMESPACE.read_text().strip()
        try:
            contexts, active = config.list_kube_config_contexts(self.kubeconfig)  # type: ignore[no-untyped-call]
        except _UNUSABLE as error:
            raise NoConnectionError(f"no usable Kubernetes credentials in {self}: {error}") from error
        found = [active] if self.context is None else [one for one in contexts if one["name"] == self.context]
        return str(found[0]["context"].get("namespace") or "default") if found else "default"

    def __str__(self) -> str:
        return self.kubeconfig or "the pod's service account or ~/.kube/config"


@dataclass(frozen=True, slots=True)
class Connection:
    """An API server and how to sign in to it."""

    server: str
    configuration: Any
    tls: ssl.SSLContext
    source: Source = Source()

    def session(self, limit: int, *traces: aiohttp.TraceConfig) -> aiohttp.ClientSession:
        """Return a new session with at most `limit` connections; credentials are read again as they expire."""
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=limit, ssl=self.tls, socket_factory=_socket),
            # The API server would compress each answer of more than 128 KiB, such as a ConfigMap with dashboards: for
            # both sides that costs more than to send it inside a cluster.
            headers={"Accept-Encoding": "identity"},
            middlewares=(self._sign,),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            # A watch event can be larger than aiohttp's default of 64 KiB.
            read_bufsize=2**21,
            trace_configs=list(traces),
        )

    async def _sign(self, request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
        await self._authorize(request)
        response = await handler(request)
        if response.status == UNAUTHORIZED and await self._read_again():
            response.release()
            await self._authorize(request)
            response = await handler(request)
        return response

    async def _authorize(self, request: aiohttp.ClientRequest) -> None:
        for setting in (await self.configuration.auth_settings()).values():
            if setting["in"] == "header" and setting["value"]:
                request.headers[setting["key"]] = setting["value"]

    async def _read_again(self) -> bool:
        """Read the credentials from where they came from: they were changed before they expired."""
        try:
            await _load(self.configuration, self.source)
            _use_certificate(self.tls, self.configuration)
        except _UNUSABLE:
            return False
        return True


async def connect(source: Source = Source()) -> Connection:
    """Return the connection that the credentials of a source make.

    Raises:
        NoConnectionError: neither is there, or what is there can't be used.

    """
    configuration = client.Configuration()
    try:
        await _load(configuration, source)
    except _UNUSABLE as error:
        raise NoConnectionError(f"no usable Kubernetes credentials in {source}: {error}") from error
    tls = ssl.create_default_context(cafile=configuration.ssl_ca_cert, cadata=configuration.ca_cert_data)
    _use_certificate(tls, configuration)
    if not configuration.verify_ssl:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    if configuration.disable_strict_ssl_verification:
        tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return Connection(server=configuration.host, configuration=configuration, tls=tls, source=source)


async def _load(configuration: Any, source: Source) -> None:
    if source.in_cluster:
        config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
    else:
        load = config.load_kube_config(source.kubeconfig, source.context, configuration)  # type: ignore[no-untyped-call]
        await load


def _use_certificate(tls: ssl.SSLContext, configuration: Any) -> None:
    if configuration.cert_file:
        tls.load_cert_chain(configuration.cert_file, configuration.key_file)


def _socket(address: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, *_ = address
    made = socket.socket(family=family, type=kind, proto=protocol)
    made.setblocking(False)  # noqa: FBT003
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE:
        if option := getattr(socket, name, None):
            made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made
