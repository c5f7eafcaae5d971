# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""``python -m sandbox up|down DIR ...``: servers without a test around them."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .server import Server, ServerError
from .target.base import Missing


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
    up.add_argument("--speed", type=float, default=1, help="how much faster modelled waits are")
    up.set_defaults(run=_up)
    down = commands.add_parser("down", help="end all servers of a directory and keep their state")
    down.add_argument("directory", type=Path)
    down.set_defaults(run=_down)
    return parser


def _server(directory: Path, name: str) -> Server:
    return Server(directory, name, attached=False)


def _up(asked: argparse.Namespace) -> int:
    servers = [_server(asked.directory, name) for name in asked.names]
    # The first makes what the others share.
    for server in servers:
        server.start(speed=asked.speed)
        print(f"{server.name}: ssh -F {server.ssh_config()} {server.name}")
    return 0


def _down(asked: argparse.Namespace) -> int:
    servers = [_server(asked.directory, path.parent.name) for path in asked.directory.glob("*/pid")]
    with ThreadPoolExecutor() as pool:
        list(pool.map(Server.stop, servers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
