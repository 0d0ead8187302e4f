"""Judges a file of scrape jobs beside its syntax: what promtool can't know, and our ConfigMap must not hold."""

from __future__ import annotations

import posixpath
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from inventory_operator.checks.scrape_policy import SECRETS_FOLDER, Field
from inventory_operator.checks.scrape_policy import job as job_fields
from inventory_operator.checks.verdict import Verdict
from inventory_operator.checks.yaml_tree import Node, RefusedError, read, write

if TYPE_CHECKING:
    from collections.abc import Iterator

FIELD = "scrape_configs"
#: Fields that have names as keys, which may be those of parameters of a request.
_PARAMETERS = frozenset({"params", "oauth2.endpoint_params", "http_sd_configs.oauth2.endpoint_params"})
_PARAMETER_LABEL = "__param_"
#: What parameters are called that are secrets.
_CONFIDENTIAL = (
    r"(?:\w*[_.-])?(?:apikey|bearer|client_assertion|credentials?|jwt|pass|passwd|password|pwd|secret|session|sig|"
    r"signature|token)|(?:\w*[_.-])?(?:access|api|auth|private|secret)[_.-]?key|key"
)
_CONFIDENTIAL_NAME = re.compile(_CONFIDENTIAL, re.IGNORECASE)
_IN_VALUES = re.compile(
    r"(?P<user>://[^\s/?#]*@)"
    r"|(?P<key>-----BEGIN [A-Z ]*PRIVATE KEY-----)"
    rf"|(?P<query>[?&](?:{_CONFIDENTIAL})=)",
    re.IGNORECASE,
)
_OUT = "a ConfigMap must not hold"
_VALUES = {
    "user": f"a URL has a user or password in it, which {_OUT}: use basic_auth with password_file",
    "key": f"a private key is a secret, which {_OUT}: put it into a Secret, list that under spec.prometheus.secrets, "
    "and use key_file",
    "query": f"a parameter in a URL is a secret by its name, which {_OUT}: use authorization with credentials_file",
}
_PARAMETER = (
    f"a parameter is a secret by its name, which {_OUT}: use authorization with credentials_file, or http_headers with "
    "files"
)
_OWN_NAMESPACE = (
    "a job that looks for pods: expected namespaces: {own_namespace: true}, since Prometheus may look for them in its "
    "own namespace only"
)
#: As many fields as a message lists, and as long a key as one is looked for that is like it.
_FEW, _SHORT = 12, 60


def check(text: str) -> Verdict:
    """Return the jobs as they are to be written, and their names; raise RefusedError."""
    tree = read(text)
    fields = tree.root.value
    if not isinstance(fields, dict) or fields.keys() != {FIELD}:
        raise RefusedError(f"expected one field, {FIELD}, with a list of jobs", tree.root.line)
    jobs = fields[FIELD].value
    if jobs is not None and not isinstance(jobs, list):
        raise RefusedError(f"expected a list of jobs under {FIELD}", fields[FIELD].line)
    known = job_fields()
    for job in jobs or ():
        _check(job, known)
    written, lines = write(tree)
    return Verdict(text=written, names=list(_names(jobs or ())), lines=lines)


def _names(jobs: list[Node] | tuple[()]) -> Iterator[tuple[str, int]]:
    for job in jobs:
        name = job.value.get("job_name") if isinstance(job.value, dict) else None
        if name and isinstance(name.value, str):
            yield name.value, name.line


def _check(node: Node, field: Field) -> None:
    """Refuse a part of a job that is not permitted; whether it is a list or a text that is expected, promtool says."""
    if isinstance(node.value, list):
        for item in node.value:
            _check(item, field)
    elif isinstance(node.value, dict):
        for name, value in node.value.items():
            _check(value, _permitted(name, value.line, field))
        if field.path == "kubernetes_sd_configs":
            _check_namespaces(node)
    elif node.value is not None:
        _check_value(node.value, node.line, field)


def _permitted(name: str, line: int, inside: Field) -> Field:
    """Return the field of a name in another; raise RefusedError where there is none, or a refused one."""
    field = inside.find(name)
    if field is None:
        where = inside.path.replace(".*", ".…") or "a job"
        raise RefusedError(f"unknown field in {where}{_advice(name, inside.permitted())}", line)
    if field.refusal:
        raise RefusedError(field.refusal, line)
    parameter = name.removeprefix(_PARAMETER_LABEL)
    if inside.path in _PARAMETERS or (parameter != name and inside.path == "static_configs.labels"):
        _check_parameter(parameter, line)
    return field


def _advice(name: str, permitted: list[str]) -> str:
    if len(name) <= _SHORT and (like := get_close_matches(name, permitted, 1)):
        return f"; did you mean {like[0]}?"
    return f"; expected one of {', '.join(permitted)}" if 0 < len(permitted) <= _FEW else ""


def _check_parameter(name: str, line: int) -> None:
    if _CONFIDENTIAL_NAME.fullmatch(name):
        raise RefusedError(_PARAMETER, line)


def _check_value(value: str, line: int, field: Field) -> None:
    if field.is_file and not posixpath.normpath(value).startswith(SECRETS_FOLDER):
        kind = "a field that ends in _file" if field.name != "files" else "files"
        raise RefusedError(f"{kind}: expected a file below {SECRETS_FOLDER}", line)
    if found := _IN_VALUES.search(value):
        raise RefusedError(_VALUES[str(found.lastgroup)], line)
    if field.path == "static_configs.targets" and "@" in value:
        raise RefusedError(_VALUES["user"], line)
    if field.name == "target_label" and value.startswith(_PARAMETER_LABEL):
        _check_parameter(value.removeprefix(_PARAMETER_LABEL), line)
    if field.path in {"kubernetes_sd_configs.role", "kubernetes_sd_configs.selectors.role"} and value != "pod":
        raise RefusedError("role: expected pod, since Prometheus may look for nothing else", line)


def _check_namespaces(node: Node) -> None:
    assert isinstance(node.value, dict)
    namespaces = node.value.get("namespaces")
    own = namespaces.value.get("own_namespace") if namespaces and isinstance(namespaces.value, dict) else None
    if own is None or own.value != "true":
        raise RefusedError(_OWN_NAMESPACE, namespaces.line if namespaces else node.line)
