# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The servers of inventories/example as an operator has them before the collection's first run.

`python tools/example_servers.py DIR` starts both stand-ins, with their state in DIR.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sandbox.server import Server, ServerError

NAMES = ("server1", "server2")


def start(directory: Path, *, attached: bool = True, speed: float = 1) -> list[Server]:
    """Start both servers. Raises ServerError with the reason if one does not start."""
    servers = [Server(directory, name, attached=attached) for name in NAMES]
    # The first makes what both share.
    servers[0].start(speed=speed)
    for server in servers[1:]:
        server.start(speed=speed)
    return servers


def main() -> int:
    try:
        start(Path(sys.argv[1]), attached=False)
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
