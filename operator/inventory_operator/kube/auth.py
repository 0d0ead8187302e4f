"""How to reach the API server: credentials of the pod or of `$KUBECONFIG`, and sessions that stay signed in.

The only importer of `kubernetes`; it knows no kind of object and makes no request of its own.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from kubernetes.aio import client, config

#: An API server that can't be reached answers no sooner for a longer wait; kopf's default has no limit.
CONNECT_SECONDS = 10.0
Handler = Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]


class NoConnectionError(Exception):
    """There are no usable credentials; the message says where they were looked for."""


@dataclass(frozen=True, slots=True)
class Connection:
    """An API server and how to sign in to it."""

    server: str
    configuration: Any
    tls: ssl.SSLContext

    def session(self, limit: int) -> aiohttp.ClientSession:
        """Return a new session with at most `limit` connections; the token is read again as it expires."""
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=limit, ssl=self.tls),
            middlewares=(self._sign,),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            # A watch event can be larger than aiohttp's default of 64 KiB.
            read_bufsize=2**21,
        )

    async def _sign(self, request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
        for setting in (await self.configuration.auth_settings()).values():
            if setting["in"] == "header" and setting["value"]:
                request.headers[setting["key"]] = setting["value"]
        return await handler(request)


async def connect() -> Connection:
    """Return the connection of the pod's service account, or of `$KUBECONFIG` outside a cluster.

    Raises:
        NoConnectionError: neither is there, or what is there can't be used.

    """
    configuration = client.Configuration()
    try:
        if os.environ.get("KUBERNETES_SERVICE_HOST") and not os.environ.get("KUBECONFIG"):
            config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
        else:
            await config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError, ValueError) as error:
        where = os.environ.get("KUBECONFIG") or "the pod's service account or ~/.kube/config"
        raise NoConnectionError(f"no usable Kubernetes credentials in {where}: {error}") from error
    tls = ssl.create_default_context(cafile=configuration.ssl_ca_cert, cadata=configuration.ca_cert_data)
    if configuration.cert_file:
        tls.load_cert_chain(configuration.cert_file, configuration.key_file)
    if not configuration.verify_ssl:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    if configuration.disable_strict_ssl_verification:
        tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return Connection(server=configuration.host, configuration=configuration, tls=tls)
