"""The types of strings in a spec: names of objects, images, hosts, addresses."""

from __future__ import annotations

from ipaddress import IPv6Network, ip_network
from typing import Annotated

from inventory_operator.api.quantities import PatternString

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
SUBDOMAIN = rf"{_LABEL}([.]{_LABEL})*"
_PORT_AND_PATH = r"(:[0-9]{1,5})?/"
_PATH = r"[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*"
_HOST = r"[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?([.][a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)*"

#: The grammar of https://github.com/distribution/reference without the forms nobody deploys (digests but sha256).
Image = Annotated[
    str,
    PatternString(
        "an image reference like docker.io/prom/prometheus:v3.16.0",
        rf"^({_HOST}{_PORT_AND_PATH})?{_PATH}(/{_PATH})*(:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(@sha256:[a-f0-9]{{64}})?$",
        512,
    ),
]
StackName = Annotated[
    str,
    PatternString(
        "a name of at most 40 lower-case letters, digits and '-' that starts with a letter and ends with no '-'",
        r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$",
        40,
    ),
]
#: Kubernetes' own rule for the names of Secrets, storage classes and ingress classes (RFC 1123 subdomain).
ObjectName = Annotated[
    str,
    PatternString("the name of an object: lower-case letters, digits, '-' and '.'", rf"^{SUBDOMAIN}$", 253),
]
SecretKey = Annotated[
    str,
    PatternString(
        "the name of a key in a Secret like url: letters, digits, '-', '_' and '.'",
        r"^[.]?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$",
        253,
    ),
]
#: A key of a ConfigMap of the user's, short enough for both to become one key of ours.
ConfigMapName = Annotated[
    str,
    PatternString(
        "the name of a ConfigMap: at most 100 lower-case letters, digits, '-' and '.'", rf"^{SUBDOMAIN}$", 100
    ),
]
ConfigMapKey = Annotated[
    str,
    PatternString(
        "the name of a key in a ConfigMap like rules.yml: at most 100 letters, digits, '-', '_' and '.'",
        r"^[.]?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$",
        100,
    ),
]
#: Below 93 % the fastest burn alert, at 13.44 times the budget, would want more than all requests to fail.
Objective = Annotated[
    str,
    PatternString('a percentage from 93 to 99.999 in quotes like "99.9"', r"^9[3-9]([.][0-9]{1,3})?$", 6),
]
Channel = Annotated[
    str, PatternString("a channel of Slack like #stock, or its ID", r"^[#@]?[A-Za-z0-9][A-Za-z0-9_.-]*$", 80)
]
EmailAddress = Annotated[
    str,
    PatternString(
        "an email address like ops@example.com, without a display name", rf"^[A-Za-z0-9._%+=-]+@{_HOST}$", 254
    ),
]
Smarthost = Annotated[
    str,
    PatternString("host and port of an SMTP server like mail.example.com:587", rf"^{_HOST}:[1-9][0-9]{{0,4}}$", 259),
]
Account = Annotated[
    str, PatternString("a user name of letters, digits and any of ._%+@=-", r"^[A-Za-z0-9._%+@=-]+$", 128)
]
MuteTimeName = Annotated[
    str, PatternString("a name of lower-case letters, digits and '-' like nights", rf"^{_LABEL}$", 63)
]
TimeOfDay = Annotated[
    str, PatternString("a time of day like 22:00, at most 24:00", r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", 5)
]
#: Whether there is such a zone is for Alertmanager to say: its list, not ours, is the one that counts.
TimeZone = Annotated[
    str, PatternString("a time zone like Europe/Berlin or UTC", r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$", 64)
]
#: No user and password in it: they belong into a Secret.
Url = Annotated[
    str,
    PatternString(
        "a URL like https://metrics.example.com/api/v1/write, without a user or password",
        rf"^https?://{_HOST}(:[1-9][0-9]{{0,4}})?(/[A-Za-z0-9._~:=+%-]*)*([?][A-Za-z0-9._~/:=&+%-]*)?$",
        1024,
    ),
]
#: The service's own pattern (service/inventory_service/settings.py).
RateLimit = Annotated[
    str, PatternString("a rate like 100/minute (second, minute or hour)", r"^[1-9][0-9]{0,8}/(second|minute|hour)$", 16)
]
#: The last label starts with a letter: an Ingress refuses IP addresses.
Host = Annotated[
    str,
    PatternString(
        "a host name like shop.example.com (no wildcard, no port, no address)",
        rf"^({_LABEL}[.])*[a-z]([-a-z0-9]{{0,61}}[a-z0-9])?$",
        253,
    ),
]
_CIDR = "^[0-9A-Fa-f:./]+$"


def _is_cidr(text: str) -> bool:
    """Tell whether CEL's `isCIDR` takes this text, and its address is the first one of the network."""
    try:
        network = ip_network(text)
    except ValueError:
        return False
    mapped = isinstance(network, IPv6Network) and network.network_address.ipv4_mapped
    # Python takes a bare address and a netmask, too.
    return not mapped and text.endswith(f"/{network.prefixlen}")


#: The service reads it, too (service/inventory_service/settings.py). What is no such network is told by the rule.
Cidr = Annotated[
    str,
    PatternString(
        "the first address of a network and the length of its prefix like 10.42.0.0/16 or 2001:db8::/32 (a single "
        "address is 10.42.0.7/32)",
        _CIDR,
        43,
        _is_cidr,
        f"!self.matches('{_CIDR}') || (isCIDR(self) && cidr(self) == cidr(self).masked())",
    ),
]
#: Two leading underscores belong to Prometheus itself; `namespace` and `stack` to the rules, the last one to replicas.
RESERVED_EXTERNAL_LABELS = frozenset({"namespace", "stack", "prometheus_replica"})
ExternalLabelName = Annotated[
    str,
    PatternString(
        "a label name like region (letters, digits and '_', not starting with a digit or '__', and none of "
        "namespace, stack, prometheus_replica)",
        r"^(_|_?[a-zA-Z][a-zA-Z0-9_]*|_[0-9][a-zA-Z0-9_]*)$",
        63,
        lambda text: text not in RESERVED_EXTERNAL_LABELS,
    ),
]
#: No `$`: Prometheus 3 expands environment variables in external labels.
ExternalLabelValue = Annotated[
    str,
    PatternString(
        "a label value of at most 128 letters, digits, spaces and any of ._:/@+,=-",
        r"^[A-Za-z0-9][A-Za-z0-9 ._:/@+,=-]*$",
        128,
    ),
]
AnnotationValue = Annotated[
    str, PatternString("an annotation value: at most 4096 printable ASCII characters on one line", r"^[ -~]*$", 4096)
]
LabelValue = Annotated[
    str,
    PatternString(
        "a label value of at most 63 letters, digits, '-', '_' and '.'",
        r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$",
        63,
    ),
]
