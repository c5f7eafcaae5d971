# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The servers of inventories/example as an operator has them before the collection's first run.

`python tests/example_servers.py DIR` starts both stand-ins, with their state in DIR. A server that
is new gets the interfaces that its VMs will be attached to.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sandbox.server import Server, ServerError

# hostname.if(5) files: the server itself is on vport42 of veb42, or on vlan42 of bridge42. Only VMs
# are on veb43.
NETWORKS: Mapping[str, Mapping[str, str]] = {
    "server1": {
        "vport42": "inet 203.0.113.1 255.255.255.0\ninet6 2001:db8:6::1 64\nup\n",
        "veb42": "add vport42\nup\n",
        "veb43": "up\n",
    },
    "server2": {
        "vlan42": "vnetid 42 parent vio0\ninet 198.51.100.1 255.255.255.0\nup\n",
        "bridge42": "add vlan42\nup\n",
    },
}


def give_network(server: Server, interfaces: Mapping[str, str]) -> None:
    """Bring the interfaces up, as netstart(8) does, on a server that has no file for them yet."""
    last = list(interfaces)[-1]
    if server.run(f"test -e /etc/hostname.{last}").returncode == 0:
        return
    for name, lines in interfaces.items():
        server.write(f"/etc/hostname.{name}", lines, 0o640)
    done = server.run(f"sh /etc/netstart {' '.join(interfaces)}")
    if done.returncode != 0 or done.stderr:
        raise ServerError(f"{server.name}: netstart: {done.stderr!r}")


def start(directory: Path, *, attached: bool = True, speed: float = 1) -> list[Server]:
    """Start both servers; ServerError tells why one does not start."""
    servers = [Server(directory, name, attached=attached) for name in NETWORKS]
    # The first makes what both share.
    servers[0].start(speed=speed)
    for server in servers[1:]:
        server.start(speed=speed)
    with ThreadPoolExecutor() as pool:
        list(pool.map(give_network, servers, NETWORKS.values()))
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
