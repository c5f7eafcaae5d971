# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""``python -m sandbox up|down|status|fault DIR ...``: servers without a test around them."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .model import Machine
from .server import Server, ServerError
from .target.base import Missing
from .target.faults import KNOWN


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, 1 for a server that does not do what was asked, 2 for a wrong command line."""
    asked = _parser().parse_args(arguments)
    try:
        status: int = asked.run(asked)
    except (Missing, ServerError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    commands = parser.add_subparsers(required=True)
    up = commands.add_parser("up", help="start servers; they run until `down`")
    up.add_argument("directory", type=Path, help="where they keep everything; has the ssh_config")
    up.add_argument("names", nargs="+", metavar="NAME")
    up.add_argument("--domain", default="example.org", help="of the servers' host names")
    up.add_argument("--speed", type=float, default=1, help="how much faster modelled waits are")
    up.add_argument("--with", type=int, default=0, dest="pid", help="end when this process does")
    up.set_defaults(run=_up)
    down = commands.add_parser("down", help="end all servers of a directory and keep their state")
    down.add_argument("directory", type=Path)
    down.set_defaults(run=_down)
    status = commands.add_parser("status", help="exit status 1 if one of them does not run")
    status.add_argument("directory", type=Path)
    status.set_defaults(run=_status)
    listed = "".join(
        f"\n  {name} {text}" for name, text in sorted({**KNOWN, **Machine.FAULTS}.items())
    )
    fault = commands.add_parser(
        "fault",
        help="make something go wrong on a server",
        epilog=f"faults:{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    fault.add_argument("directory", type=Path)
    fault.add_argument("name")
    fault.add_argument("fault", nargs="*", metavar="FAULT [ARGUMENT]")
    fault.add_argument("--clear", action="store_true", help="switch it, or all, off again")
    fault.set_defaults(run=_fault)
    return parser


def _servers(directory: Path) -> list[Server]:
    names = sorted(place.parent.name for place in directory.glob("*/hostname"))
    return [_server(directory, name) for name in names]


def _server(directory: Path, name: str, domain: str = "") -> Server:
    known = directory / name / "hostname"
    hostname = known.read_text().strip() if known.exists() else f"{name}.{domain}"
    return Server(directory, name, hostname=hostname, attached=False)


def _up(asked: argparse.Namespace) -> int:
    servers = [_server(asked.directory, name, asked.domain) for name in asked.names]
    # The first makes what the others share.
    how = {"speed": asked.speed, "with_process": asked.pid}
    servers[0].start(**how)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda one: one.start(**how), servers[1:]))
    for server in servers:
        print(f"{server.name}: ssh -F {server.ssh_config()} {server.name}")
    return 0


def _down(asked: argparse.Namespace) -> int:
    with ThreadPoolExecutor() as pool:
        list(pool.map(Server.stop, _servers(asked.directory)))
    return 0


def _status(asked: argparse.Namespace) -> int:
    servers = _servers(asked.directory)
    running = [server.running for server in servers]
    for server, runs in zip(servers, running, strict=True):
        print(f"{server.name}: {f'127.0.0.1 port {server.port}' if runs else 'does not run'}")
    return 0 if servers and all(running) else 1


def _fault(asked: argparse.Namespace) -> int:
    server = _server(asked.directory, asked.name)
    if asked.clear:
        server.clear(asked.fault[0] if asked.fault else None)
    elif asked.fault:
        server.fault(*asked.fault)
    for one in server.faults():
        print(" ".join(one))
    return 0


if __name__ == "__main__":
    sys.exit(main())
