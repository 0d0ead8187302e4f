"""The command line: calls one module per command, and turns errors into a sentence and an exit code."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

from devcluster import demo, install, targets
from devcluster.build import binaries
from devcluster.errors import ClusterError
from devcluster.kubectl import Kubectl
from devcluster.node.controlplane import ControlPlane

_EPILOG = """\
examples:
  python3 -m devcluster build                    build every server once, from the Go module proxy
  python3 -m devcluster build promtools          only promtool, amtool and their servers
  python3 -m devcluster up                       start the one-node cluster (seconds, once built)
  python3 -m devcluster images                   build our images and bring them there
  python3 -m devcluster install                  install the operator from them
  python3 -m devcluster demo --grafana off       the demo without Grafana
  python3 -m devcluster kubectl -- get pods -A   the kubectl that was built with it
  python3 -m devcluster control-plane            an API server without a node, until Ctrl-C
  python3 -m devcluster --cluster current up     use the cluster of the current kubectl context

exit codes: 0 done; 1 failed; 2 wrong arguments; 3 can't be done on this machine; 130 interrupted
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parsed = _parser().parse_args(arguments)
    try:
        return int(parsed.run(parsed) or 0)
    except ClusterError as error:
        print(f"devcluster: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\ndevcluster: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="devcluster", description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--cluster",
        default=os.environ.get("CLUSTER", ""),
        help=f"which cluster: {', '.join(targets.KINDS)} ($CLUSTER; default: what fits this machine)",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("build", help="build the servers into the cache")
    one.add_argument("what", nargs="*", help="control-plane, promtools, all (default), or single recipes")
    one.set_defaults(run=lambda it: binaries.ensure(it.what))
    one = commands.add_parser("bin", help="print the path of a built program")
    one.add_argument("name", help="etcd, kubectl, promtool, ...")
    one.set_defaults(run=lambda it: print(binaries.binary(it.name)))
    commands.add_parser("up", help="start the cluster; does nothing when it is healthy").set_defaults(run=_up)
    one = commands.add_parser("down", help="stop the cluster and remove all of it")
    one.add_argument("--keep", action="store_true", help="keep its objects, volumes and images for the next start")
    one.set_defaults(run=lambda it: _target(it).down(keep=it.keep))
    commands.add_parser("status", help="say whether it works; exit code 1 when not").set_defaults(run=_status)
    one = commands.add_parser("kubeconfig", help="print the path of the administrator's kubeconfig")
    one.set_defaults(run=lambda it: print(_target(it).kubeconfig()))
    one = commands.add_parser("kubectl", help="run the built kubectl against the cluster")
    one.add_argument("words", nargs=argparse.REMAINDER, help="what kubectl gets, after --")
    one.set_defaults(run=_kubectl)
    commands.add_parser("images", help="build our images and bring them to the cluster").set_defaults(run=_images)
    commands.add_parser("install", help="build our images and install the operator from them").set_defaults(
        run=_install
    )
    one = commands.add_parser("demo", help="a whole stack with traffic, in one go")
    one.add_argument(
        "--grafana",
        default=os.environ.get("GRAFANA", ""),
        metavar="|".join(demo.GRAFANA),
        help="auto (default): with Grafana where its image can be had; on: in any case; off: without it ($GRAFANA)",
    )
    one.set_defaults(run=_demo)
    commands.add_parser("demo-down", help="remove the demo; stops a cluster that is ours").set_defaults(
        run=lambda it: demo.remove(_target(it))
    )
    one = commands.add_parser("control-plane", help="run a control plane without a node until Ctrl-C")
    one.add_argument("--dir", type=Path, help="where it lives (default: a temporary folder)")
    one.add_argument("--no-controller-manager", action="store_true", help="leave out the controllers")
    one.set_defaults(run=_control_plane)
    return parser


def _target(parsed: argparse.Namespace) -> targets.Target:
    return targets.choose(parsed.cluster)


def _up(parsed: argparse.Namespace) -> None:
    target = _target(parsed)
    said = "started" if target.up() else "is running"
    print(f"the cluster {said}; use it with: export KUBECONFIG={target.kubeconfig()}")


def _status(parsed: argparse.Namespace) -> int:
    healthy, said = _target(parsed).status()
    print(said)
    return 0 if healthy else 1


def _images(parsed: argparse.Namespace) -> None:
    print(*_target(parsed).load().values(), sep="\n")


def _install(parsed: argparse.Namespace) -> None:
    target = _target(parsed)
    install.install(Kubectl(target.kubeconfig()), target.load(), target.environment)
    print(f"the operator runs in the namespace {install.NAMESPACE}")


def _demo(parsed: argparse.Namespace) -> None:
    asked = demo.check_grafana(parsed.grafana)
    variables = {"CLUSTER": parsed.cluster, "REGISTRY": os.environ.get("REGISTRY", ""), "GRAFANA": parsed.grafana}
    demo.run(_target(parsed), asked, variables)


def _kubectl(parsed: argparse.Namespace) -> None:
    words = parsed.words[1:] if parsed.words[:1] == ["--"] else parsed.words
    program = binaries.binary("kubectl")
    os.execv(program, [str(program), f"--kubeconfig={_target(parsed).kubeconfig()}", *words])  # noqa: S606


def _control_plane(parsed: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        plane = ControlPlane(parsed.dir or Path(temporary), controller_manager=not parsed.no_controller_manager)
        with plane:
            print(f"export KUBECONFIG={plane.kubeconfig}", flush=True)
            signal.pause()


if __name__ == "__main__":
    sys.exit(main())
