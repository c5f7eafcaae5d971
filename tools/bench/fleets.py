# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Made-up sites of any size: an inventory, its servers' settings, and a VM file for each VM."""

from __future__ import annotations

import base64
import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

VMS_PER_SERVER = 25
SHARED: Mapping[str, Any] = {
    "vmm_domain": "example.org",
    "vmm_dns_servers": ["192.0.2.53"],
    "vmm_timezone": "UTC",
    "vmm_preset": "veb",
    "vmm_switch": {"name": "uplink", "interface": "veb42"},
    "network_manage": True,
    # Installations, their passwords, and parts of a server unrelated to VMs are not measured.
    "vmm_memory_limit": "256G",
    "vmm_install": False,
    "vmm_credentials": False,
}
_VM = """\
server: {server}
owner: {name}
ssh_keys:
  - {key} {name}@example.org
hostname: {name}.example.org
memory: 1G
disk: 20G
"""


@dataclass(frozen=True)
class FleetSite:
    """A directory with inventory/ and fleet/."""

    directory: Path

    @property
    def inventory(self) -> Path:
        return self.directory / "inventory"

    @property
    def fleet(self) -> Path:
        return self.directory / "fleet"

    def forget_ledgers(self) -> None:
        """As before the first allocation."""
        shutil.rmtree(self.fleet / "allocations", ignore_errors=True)
        (self.fleet / "allocations").mkdir()


def server_names(count: int) -> list[str]:
    return [f"server{number}" for number in range(1, count + 1)]


def vm_name(server: int, number: int) -> str:
    return f"vm{server}-{number}"


def settings(number: int) -> dict[str, Any]:
    """The variables of the server of that number, 1 and up: no two share an address."""
    high, low = divmod(number, 256)
    network = f"10.{high}.{low}"
    return {
        "vmm_mac_prefix": f"fe:e1:bb:{high:02x}:{low:02x}",
        "vmm_ipv4_network": f"{network}.0/24",
        "vmm_ipv4_gateway": f"{network}.1",
        "vmm_ipv4_range": [f"{network}.10", f"{network}.200"],
        "vmm_ipv6_network": f"2001:db8:{number:x}::/64",
        "vmm_ipv6_gateway": f"2001:db8:{number:x}::1",
    }


def _key(name: str) -> str:
    """An ed25519 key that no other VM has: RFC 8709, section 4."""
    parts = (b"ssh-ed25519", hashlib.sha256(name.encode()).digest())
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return f"ssh-ed25519 {base64.b64encode(blob).decode()}"


def make(directory: Path, servers: int, shared: Mapping[str, Any]) -> FleetSite:
    """Write a site with so many servers, without ledgers; what is shared is for all of them."""
    shutil.rmtree(directory, ignore_errors=True)
    site = FleetSite(directory)
    site.inventory.mkdir(parents=True)
    (site.fleet / "vms").mkdir(parents=True)
    site.forget_ledgers()
    hosts = {name: settings(number) for number, name in enumerate(server_names(servers), 1)}
    _dump(
        site.inventory / "hosts.yml",
        {"vmd_servers": {"hosts": hosts, "vars": {**SHARED, **shared}}},
    )
    _dump(site.inventory / "vmm.yml", {"plugin": "puffy.vmm.vms", "fleet": "../fleet"})
    for server, server_name in enumerate(hosts, 1):
        for number in range(1, VMS_PER_SERVER + 1):
            name = vm_name(server, number)
            text = _VM.format(server=server_name, name=name, key=_key(name))
            (site.fleet / f"vms/{name}.yml").write_text(text)
    return site


def _dump(place: Path, data: object) -> None:
    place.write_text(yaml.safe_dump(data, sort_keys=False))
