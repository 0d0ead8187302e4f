"""Keys, certificates and kubeconfigs of a local cluster, made by the openssl program.

Files that exist are kept.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from devcluster.shell import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_DAYS = "3650"
_EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc")
#: Openssl's own default would mark every certificate as an authority.
_CONFIG = "[req]\ndistinguished_name = dn\n[dn]\n"

SERVICE_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")


class Pki:
    """One authority and what it signed, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._config = folder / "openssl.cnf"
        if not self._config.exists():
            self._config.write_text(_CONFIG)
        if not (folder / "ca.crt").exists():
            self._make_authority()
        if not (folder / "sa.pub").exists():
            run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.key("sa")])
            run(["openssl", "ec", "-in", self.key("sa"), "-pubout", "-out", folder / "sa.pub"])

    def certificate(self, name: str) -> Path:
        """Return the path of the certificate `name`."""
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        """Return the path of the private key of `name`."""
        return self.folder / f"{name}.key"

    def sign(self, name: str, common_name: str, groups: Sequence[str] = (), alternatives: Sequence[str] = ()) -> None:
        """Make the key and certificate `name` for a server or a user; `alternatives` like "DNS:x" or "IP:1.2.3.4"."""
        if self.certificate(name).exists():
            return
        subject = "".join(f"/O={_escape(group)}" for group in groups) + f"/CN={_escape(common_name)}"
        extensions = ["basicConstraints=critical,CA:FALSE", "extendedKeyUsage=serverAuth,clientAuth"]
        if alternatives:
            extensions.append(f"subjectAltName={','.join(alternatives)}")
        authority: list[str | Path] = ["-CA", self.certificate("ca"), "-CAkey", self.key("ca")]
        self._request(name, subject, extensions, authority)

    def kubeconfig(self, path: Path, server: str, user: str) -> Path:
        """Write a kubeconfig for the certificate `user`, everything inside, and return its path."""
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "local", "cluster": {"server": server, "certificate-authority-data": self._inline("ca.crt")}}
            ],
            "users": [
                {
                    "name": user,
                    "user": {
                        "client-certificate-data": self._inline(f"{user}.crt"),
                        "client-key-data": self._inline(f"{user}.key"),
                    },
                }
            ],
            "contexts": [{"name": "local", "context": {"cluster": "local", "user": user}}],
            "current-context": "local",
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(content, indent=1) + "\n")  # JSON is YAML, too
        return path

    def _make_authority(self) -> None:
        extensions = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"]
        self._request("ca", "/CN=inventory-cluster", extensions, [])

    def _request(self, name: str, subject: str, extensions: Sequence[str], authority: Sequence[str | Path]) -> None:
        """Make a key and a certificate; the latter gets its name last, so that an interrupted one is made again."""
        wip = self.folder / f".{name}.crt"
        added = [word for extension in extensions for word in ("-addext", extension)]
        files: list[str | Path] = ["-keyout", self.key(name), "-out", wip]
        request: list[str | Path] = ["openssl", "req", "-x509", *_EC, "-config", self._config, "-days", _DAYS]
        run([*request, *files, "-subj", subject, *added, *authority])
        wip.rename(self.certificate(name))

    def _inline(self, name: str) -> str:
        return base64.b64encode((self.folder / name).read_bytes()).decode()


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("/", "\\/").replace("+", "\\+")
