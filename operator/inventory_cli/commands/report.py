"""`report`: a support bundle, for somebody who helps and has no access: specs, statuses, events, logs, no secret."""

from __future__ import annotations

import io
import os
import tarfile
import time
from pathlib import Path
from typing import IO, Any

import click
import yaml

from inventory_cli import bundle, options
from inventory_cli.commands.version import of_cluster
from inventory_cli.connection import Access, run, stack_named
from inventory_cli.failure import OK, Failure
from inventory_operator.version import __version__

Object = dict[str, Any]

EXAMPLES = """
kubectl inventory report shop -n shop
kubectl inventory report shop -n shop --output-file /tmp/shop.tar.gz
"""


@click.command("report", cls=options.Command, short_help="Write a support bundle without secrets.", examples=EXAMPLES)
@options.stack_name()
@click.option(
    "--output-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; without it inventory-NAMESPACE-NAME-TIME.tar.gz in this folder.",
)
@options.access
def command(access: Access, *, name: str, output_file: Path | None) -> int:
    """Write a support bundle of a stack: its spec and status, its objects, events, logs and versions; no Secret.

    Values of the Secrets that the stack uses are taken out of all of it where you may read them, and what looks like
    a credential in any case. Look through it before you give it away. What you may not read is in missing.txt.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    file = output_file or Path(f"inventory-{access.namespace}-{name}-{stamp}.tar.gz")
    files = run(_contents(access, name))
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            _write(opened, file.name.removesuffix(".tar.gz"), files)
    except OSError as error:
        raise Failure(f"{file}: can't be written: {error.strerror}") from None
    click.echo(f"{file}: {len(files)} files, {file.stat().st_size:,} bytes")
    return OK


async def _contents(access: Access, name: str) -> dict[str, str]:
    async with access.cluster() as cluster, access.raw() as raw:
        stack = await stack_named(cluster, access.namespace, name)
        files = await bundle.contents(cluster, raw, stack)
    versions = {"client": __version__, **await of_cluster(access)}
    return {"versions.yaml": yaml.safe_dump(versions), **files}


def _write(file: IO[bytes], folder: str, files: dict[str, str]) -> None:
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, text in sorted(files.items()):
            content = text.encode()
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mode, entry.mtime = len(content), 0o600, int(time.time())
            archive.addfile(entry, io.BytesIO(content))
