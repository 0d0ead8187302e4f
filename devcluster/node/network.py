"""The node's network: one bridge with the node's and the DNS address, and the pods' bridge as a CNI configuration.

`remove` also takes away what kube-proxy, the kubelet and the CNI plugins added, and keeps the rules of others. Packets
to the address of a Service stay on the node: while kube-proxy is about to write its rules, and for an address that no
Service has, whatever answers beyond the machine's gateway would be taken for the Service.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from devcluster.node.apiserver import SERVICE_RANGE
from devcluster.shell import run, succeeds

NODE_ADDRESS = "10.99.0.1"
DNS_ADDRESS = "169.254.25.10"
POD_RANGE = "10.244.0.0/16"
_NODE_PODS = "10.244.0.0/24"

#: A bridge, because some kernels carry no dummy device.
_NODE_LINK = "k8s0"
_POD_LINK = "cni0"
_NETWORK = "inventory-pods"

_TOOLS = ("iptables", "ip6tables")

#: In the table `filter`, so behind kube-proxy's translation in `nat`: what still goes to a Service was not translated.
_UNSERVED = "KUBE-UNSERVED"


def add() -> None:
    """Make the node's bridge; safe to repeat."""
    if not Path("/proc/sys/net/bridge").exists():
        succeeds(["modprobe", "br_netfilter"])
        succeeds(["modprobe", "overlay"])
    if not Path(f"/sys/class/net/{_NODE_LINK}").exists():
        run(["ip", "link", "add", _NODE_LINK, "type", "bridge"])
    for address in (NODE_ADDRESS, DNS_ADDRESS):
        run(["ip", "address", "replace", f"{address}/32", "dev", _NODE_LINK])
    run(["ip", "link", "set", _NODE_LINK, "up"])
    for name in ("ipv4/ip_forward", "bridge/bridge-nf-call-iptables"):
        switch = Path("/proc/sys/net") / name
        if switch.exists() and switch.read_text().strip() != "1":
            switch.write_text("1")
    _refuse_unserved()


def _refuse_unserved() -> None:
    refuse = f"-A {_UNSERVED} -d {SERVICE_RANGE} -j REJECT"
    run(["iptables-restore", "--noflush"], stdin=f"*filter\n:{_UNSERVED} - [0:0]\n{refuse}\nCOMMIT\n")
    for chain in ("FORWARD", "OUTPUT"):
        if not succeeds(["iptables", "-C", chain, "-j", _UNSERVED]):
            run(["iptables", "-A", chain, "-j", _UNSERVED])


def remove() -> None:
    """Remove the bridges and every rule of this cluster; safe to repeat."""
    for link in (_POD_LINK, _NODE_LINK):
        if Path(f"/sys/class/net/{link}").exists():
            run(["ip", "link", "delete", link])
    for tool in _TOOLS:
        if shutil.which(tool) and shutil.which(f"{tool}-save"):
            undo = undo_rules(run([f"{tool}-save"]))
            if undo:
                run([f"{tool}-restore", "--noflush"], stdin=undo)
    for file in Path("/var/lib/cni").glob(f"*/{_NETWORK}*"):
        file.unlink(missing_ok=True)


def traces() -> list[str]:
    """Return what of this cluster's network is there: links, and tools that hold rules."""
    links = [link for link in (_NODE_LINK, _POD_LINK) if Path(f"/sys/class/net/{link}").exists()]
    return links + [tool for tool in _TOOLS if shutil.which(f"{tool}-save") and undo_rules(run([f"{tool}-save"]))]


def undo_rules(saved: str) -> str:
    """Return the input for `iptables-restore --noflush` that removes our chains, and the rules that jump to them.

    `saved` is the output of iptables-save. Ours are all KUBE- chains (one cluster per machine) and those CNI- chains
    that the rules of our pod network jump to.
    """
    tables = re.findall(r"^\*(\w+)\n(.*?)^COMMIT$", saved, re.MULTILINE | re.DOTALL)
    return "".join(_undo_table(name, body.splitlines()) for name, body in tables)


def _undo_table(table: str, lines: list[str]) -> str:
    declared = {line[1:].split()[0] for line in lines if line.startswith(":")}
    ours = {chain for chain in declared if chain.startswith("KUBE-")}
    ours |= {_target(line) for line in lines if line.startswith("-A") and f'\\"{_NETWORK}\\"' in line} & declared
    ours -= {"ACCEPT", "POSTROUTING"}
    if not ours:
        return ""
    jumps = [f"-D{line[2:]}" for line in lines if line.startswith("-A") and _target(line) in ours]
    kept = [line for line in jumps if line.split()[1] not in ours]
    flushes = [f"-F {chain}" for chain in sorted(ours)]
    return "\n".join([f"*{table}", *kept, *flushes, *(f"-X {chain}" for chain in sorted(ours)), "COMMIT", ""])


def _target(rule: str) -> str:
    found = re.search(r" -[jg] (\S+)", rule)
    return found[1] if found else ""


def cni_configuration(leases: Path) -> dict[str, Any]:
    """Return the CNI configuration of the pod network; `leases` is where addresses in use are noted."""
    bridge = {
        "type": "bridge",
        "bridge": _POD_LINK,
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": str(leases),
            "ranges": [[{"subnet": _NODE_PODS}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    return {"cniVersion": "1.0.0", "name": _NETWORK, "plugins": [bridge]}
