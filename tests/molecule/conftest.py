# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What the servers of molecule/shared/inventory should be like.

Only what works over ssh on OpenBSD, without Python there: of testinfra's modules, file, service,
sysctl, user, group, interface and commands.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from ipaddress import IPv4Interface
from typing import Any, NamedTuple

import pytest

# testinfra gives its host modules such as file and service when they are asked for.
Host = Any

# VMs and ten in reserve.
_RESERVE = 10


@dataclass(frozen=True)
class Server:
    """``vms``: each with its owner and the kind of its image. ``addresses``: those of the VMs.

    ``interface`` is the server's own, ``port`` its end in the switch.
    """

    switch: str
    port: str
    interface: str
    address: IPv4Interface
    arp_queue: int
    owners: tuple[str, ...]
    vms: dict[str, tuple[str, str]]
    addresses: tuple[str, ...]

    @property
    def taps(self) -> int:
        return len(self.vms) + _RESERVE


SERVERS = {
    "server1": Server(
        switch="veb42",
        port="pair84",
        interface="pair85",
        address=IPv4Interface("203.0.113.1/24"),
        arp_queue=256,
        owners=("mira", "puffy"),
        vms={"shop1": ("root", "qcow2"), "web1": ("puffy", "qcow2")},
        addresses=("203.0.113.10", "203.0.113.11"),
    ),
    "server2": Server(
        switch="bridge42",
        port="vlan42",
        interface="vlan42",
        address=IPv4Interface("198.51.100.254/24"),
        arp_queue=1024,
        owners=("mira",),
        vms={"db1": ("mira", "raw")},
        addresses=("198.51.100.2",),
    ),
}


class Stat(NamedTuple):
    user: str
    group: str
    mode: int
    size: int


def stat(host: Host, path: str) -> Stat:
    """Return a file's attributes with one stat(1), because commands are slow without KVM."""
    user, group, mode, size = host.check_output(
        f"stat -f '%Su %Sg %Lp %z' {shlex.quote(path)}"
    ).split()
    return Stat(user, group, int(mode, 8), int(size))


@pytest.fixture
def server(host: Host) -> Server:
    """What is expected of the server that a test looks at."""
    return SERVERS[host.backend.get_hostname()]


def image(name: str, kind: str) -> str:
    """The path of a VM's image."""
    return f"/var/vmm/{name}.{'img' if kind == 'raw' else kind}"


@pytest.fixture
def installed(host: Host, server: Server) -> dict[str, tuple[str, str]]:
    """The VMs that have an image."""
    return {
        name: (owner, kind)
        for name, (owner, kind) in server.vms.items()
        if host.file(image(name, kind)).exists
    }


@pytest.fixture
def vmm(host: Host) -> bool:
    """Whether vmm(4) can be used: opening it fails with ENODEV where it cannot."""
    return bool(host.run("true </dev/vmm").rc == 0)


@pytest.fixture
def vmctl_status(host: Host, vmm: bool) -> dict[str, dict[str, str]]:
    """vmctl status, by the VM's name and the column's."""
    if not vmm:
        pytest.skip("the processor offers no virtualisation, so vmd(8) cannot run")
    # Its status is 1 if there are no VMs.
    lines = host.run("timeout 60 vmctl status").stdout.splitlines()
    columns = lines[0].split()
    rows = (dict(zip(columns, line.split(), strict=True)) for line in lines[1:])
    return {row["NAME"]: row for row in rows}
