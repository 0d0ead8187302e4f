"""`open`: a part of a stack in the browser, by kubectl's own port-forward."""

from __future__ import annotations

import base64
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import webbrowser
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import click

from inventory_cli import options
from inventory_cli.connection import Access, run, stack_named
from inventory_cli.failure import NO_ACCESS, OK, Failure, explained, shortened
from inventory_operator.api import metadata as meta
from inventory_operator.components import ALL
from inventory_operator.components.grafana import NAME as GRAFANA
from inventory_operator.kube.kinds import SECRETS

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]
#: Where the browser and kubectl meet.
_HOST = "127.0.0.1"
#: Seconds for kubectl to reach the pod and for what runs in it to answer.
_PATIENCE = 30.0
_LOOK_AGAIN = 0.2
#: Seconds for kubectl to end after it was told to.
_ENDING = 10.0
_LONGEST_OUTPUT = 10_000
_PORTS = {component.name: component.port for component in ALL}
_USER, _PASSWORD = "admin-user", "admin-password"

EXAMPLES = """
kubectl inventory open grafana shop -n shop
kubectl inventory open grafana shop -n shop --show-password
kubectl inventory open prometheus shop -n shop --port 9999 --no-browser
"""


@click.command("open", cls=options.Command, short_help="Open a part of a stack in the browser.", examples=EXAMPLES)
@click.argument("part", type=click.Choice(tuple(_PORTS)))
@options.stack_name()
@click.option("--port", type=click.IntRange(1, 65535), help="Local port; without it the part's own, or a free one.")
@click.option("--browser/--no-browser", default=True, help="Whether to open the browser.")
@click.option("--show-password", is_flag=True, help="Print Grafana's user and password.")
@options.access
def command(  # noqa: PLR0913 - one for each option
    access: Access, *, part: str, name: str, port: int | None, browser: bool, show_password: bool
) -> int:
    """Open a part of a stack in the browser, until you interrupt it with Ctrl-C.

    It runs kubectl port-forward, so what you see depends on your own rights (create on pods/portforward).
    """
    if show_password and part != GRAFANA:
        raise click.UsageError(f"--show-password is for {GRAFANA}: no other part has a password")
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise Failure("kubectl is needed, and not found in the PATH")
    lines = run(_prepare(access, part, name, show_password=show_password))
    local = port or _free(_PORTS[part])
    words = [kubectl, *access.kubectl_options(), "-n", access.namespace, "port-forward", "--address", _HOST]
    words += [f"service/{_service(access.namespace, part, name)}", f"{local}:{_PORTS[part]}"]
    url = f"http://{_HOST}:{local}"
    with _running(words) as (process, said):
        _wait(process, said, url)
        click.echo("\n".join([f"{part} of stack {name}: {url}", *lines, "Ctrl-C ends it."]))
        if browser:
            webbrowser.open(url)
        try:
            process.wait()
        except KeyboardInterrupt:
            return OK
        raise Failure(f"kubectl port-forward ended: {_last_line(said)}", NO_ACCESS)


def _service(namespace: str, part: str, name: str) -> str:
    return str(getattr(meta.names(meta.Stack(namespace, name, "")), part))


async def _prepare(access: Access, part: str, name: str, *, show_password: bool) -> list[str]:
    """Return what is told beside the URL; Failure where the stack has no such part."""
    namespace = access.namespace
    async with access.cluster() as cluster:
        stack = await stack_named(cluster, namespace, name)
        spec = stack.get("spec", {})
        endpoints = stack.get("status", {}).get("endpoints")
        if endpoints and part not in endpoints:
            raise Failure(f"{part} is switched off in stack {namespace}/{name}")
        if part != GRAFANA:
            return []
        secret = spec.get("grafana", {}).get("adminSecretName") or _service(namespace, part, name)
        if not show_password:
            return [f"Its user and password are in Secret {secret}: --show-password prints them."]
        with explained(f"read Secret {namespace}/{secret}"):
            found = await cluster.get(SECRETS, secret, namespace)
        if not found:
            raise Failure(f'Secret "{secret}" not found in namespace {namespace}: the operator has not created it yet')
        return [f"{key.removeprefix('admin-')}: {_value(found, key)}" for key in (_USER, _PASSWORD)]


def _value(secret: Object, key: str) -> str:
    try:
        return shortened(base64.b64decode(secret.get("data", {})[key]).decode().strip())
    except (KeyError, ValueError):
        raise Failure(f"Secret {secret['metadata']['name']} has no value under key {key}") from None


def _free(wanted: int) -> int:
    """Return a port that is free now: the wanted one, or another."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Failure("no local port is free")


@contextmanager
def _running(words: list[str]) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Run kubectl for a block, with a file for what it says; it ends with the block, also at SIGTERM."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    with tempfile.TemporaryFile() as said:
        # In a session of its own: Ctrl-C is ours to pass on.
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True)  # noqa: S603
        try:
            yield process, said
        finally:
            process.terminate()
            try:
                process.wait(_ENDING)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            signal.signal(signal.SIGTERM, before)


def _wait(process: subprocess.Popen[bytes], said: IO[bytes], url: str) -> None:
    """Wait until the part answers, whatever it answers."""
    deadline = time.monotonic() + _PATIENCE
    while not _answers(url):
        if process.poll() is not None:
            raise Failure(f"kubectl port-forward failed: {_last_line(said)}", NO_ACCESS)
        if time.monotonic() > deadline:
            raise Failure(f"no answer within {_PATIENCE:.0f} s: {_last_line(said)}", NO_ACCESS)
        time.sleep(_LOOK_AGAIN)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE):  # noqa: S310 - ours, and http
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _last_line(said: IO[bytes]) -> str:
    said.seek(0)
    lines = said.read(_LONGEST_OUTPUT).decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
