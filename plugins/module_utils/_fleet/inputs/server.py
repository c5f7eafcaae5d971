# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The settings of a server, from its vmm_* variables."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.presets import (
    DEFAULT_IMAGE_DIRECTORY,
    DEFAULT_PRESET,
    DEFAULT_SETS,
    DEFAULT_TIMEZONE,
    NAT,
    PRESETS,
    host_interface,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar import (
    addresses,
    forwards,
    images,
    names,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar import server as grammar
from ansible_collections.puffy.vmm.plugins.module_utils._grammar import uplink as uplinks
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.address_plan import (
    Address,
    AddressPlan,
    MacPlan,
    Reserved,
    ipv4_bounds,
    ipv6_bounds,
    usable,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import (
    choice,
    whole_number,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import GIBI, TEBI
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, Report

# Prefix of all variables of this collection that describe servers and VMs.
PREFIX = "vmm_"

# MAX_TAP of usr.sbin/vmd/vmd.h: where vmd stops to look for a free one. It comes before the
# kernel's limit of 512 vCPUs, one a VM (sys/dev/vmm/vmm.h).
MOST_TAPS = 256

# Days.
_QUARANTINE = 90
_LONGEST_QUARANTINE = 36_500

# VMs that are installed at once.
_INSTALL_LIMIT = 16

# What one VM may have: enough for most, too little to fill a server by one mistyped digit.
_VM_MEMORY_LIMIT = 64 * GIBI
_VM_DISK_LIMIT = 8 * TEBI

# The longest prefix that leaves a gateway and a VM their addresses. With a longer one there is no
# subnet for dhcpd.conf(5) that both are in.
_LONGEST_IPV4_PREFIX = 31

_LIKE = 0.82


@dataclass(frozen=True)
class ServerSettings:
    """A server's settings with all defaults filled in; limits are in bytes.

    switches begins with the one that the first interface of every VM is on. tap_count, release and
    the limits are None where the server decides.
    """

    name: str
    preset: str
    domain: str
    dns_servers: tuple[str, ...]
    timezone: str
    mac: MacPlan
    ipv4: AddressPlan[IPv4Address]
    server_ipv4: IPv4Address
    server_ipv6: IPv6Address | None
    ipv6: AddressPlan[IPv6Address] | None
    reserved: Reserved
    reserved_ports: tuple[forwards.Ports, ...]
    switches: tuple[grammar.Switch, ...]
    host_interface: str
    uplink: uplinks.Uplink | None
    image_directory: str
    disk_format: str
    tap_count: int | None
    release: str | None
    sets_server: str
    sets: tuple[str, ...]
    sysctl: Mapping[str, str]
    memory_limit: int | None
    disk_limit: int | None
    vm_memory_limit: int
    vm_disk_limit: int
    quarantine_days: int
    install_limit: int
    installer: str
    sets_directory: str
    owners_group: str

    @property
    def switch(self) -> grammar.Switch:
        """The switch that the first interface of every VM is on."""
        return self.switches[0]


_Parse = Callable[[object], Any]

_REQUIRED: Mapping[str, tuple[_Parse, str]] = {
    "vmm_mac_prefix": (
        addresses.mac_prefix,
        "the first four or five octets of its VMs' MACs, such as fe:e1:bb:d1:c8",
    ),
    "vmm_ipv4_network": (addresses.ipv4_network, "its VMs' network, such as 203.0.113.0/24"),
    "vmm_ipv4_gateway": (addresses.ipv4, "the router of that network, such as 203.0.113.1"),
    "vmm_domain": (names.hostname, "the domain of its VMs, such as example.org"),
    "vmm_dns_servers": (grammar.dns_servers, "a list of IPv4 addresses, such as [203.0.113.1]"),
}

_OPTIONAL: Mapping[str, _Parse] = {
    "vmm_mac_number_base": lambda value: choice(value, ("hex", "decimal")),
    "vmm_ipv4_range": grammar.ipv4_range,
    "vmm_ipv6_network": addresses.ipv6_network,
    "vmm_ipv6_gateway": grammar.ipv6_gateway,
    "vmm_ipv6_range": grammar.ipv6_range,
    "vmm_server_ipv4": addresses.ipv4,
    "vmm_server_ipv6": addresses.ipv6,
    "vmm_reserved": grammar.reserved,
    "vmm_reserved_ports": forwards.reserved_ports,
    "vmm_preset": lambda value: choice(value, tuple(PRESETS)),
    "vmm_switch": grammar.switch,
    "vmm_switches": grammar.switches,
    "vmm_host_interface": uplinks.interface,
    "vmm_uplink": uplinks.uplink,
    "vmm_image_directory": images.directory,
    "vmm_tap_count": lambda value: whole_number(value, 1, MOST_TAPS),
    "vmm_timezone": names.timezone,
    "vmm_release": grammar.release,
    "vmm_sets_server": grammar.sets_server,
    "vmm_sets": names.set_patterns,
    "vmm_sysctl": grammar.sysctl,
    "vmm_memory_limit": grammar.limit,
    "vmm_disk_limit": grammar.limit,
    "vmm_vm_memory_limit": grammar.limit,
    "vmm_vm_disk_limit": grammar.limit,
    "vmm_quarantine_days": lambda value: whole_number(value, 0, _LONGEST_QUARANTINE),
    "vmm_install_limit": lambda value: whole_number(value, 1, MOST_TAPS),
    "vmm_installer_kernel": grammar.kernel,
    "vmm_sets_directory": images.directory,
    "vmm_owners_group": grammar.group,
}

VARIABLES = (*_REQUIRED, *_OPTIONAL)

_OWN_ADDRESSES = ("vmm_ipv4_gateway", "vmm_ipv6_gateway", "vmm_server_ipv4", "vmm_server_ipv6")


def _own_addresses(variables: Mapping[str, object]) -> Iterator[Address]:
    """Yield the addresses of a server and of its routers, as far as its settings are usable."""
    for variable in _OWN_ADDRESSES:
        value = variables.get(variable)
        parse = _REQUIRED[variable][0] if variable in _REQUIRED else _OPTIONAL[variable]
        if value is not None:
            with suppress(Refused):
                yield parse(value)


def read_server(
    name: str, variables: Mapping[str, object], foreign: frozenset[str], report: Report
) -> ServerSettings | None:
    """Return the settings of a server, or None where the report tells what is wrong.

    foreign are names that begin with vmm_ too and belong to something else than a server.
    """
    before = len(report.problems)
    _report_misspelled(name, variables, foreign, report)
    found: dict[str, Any] = {}
    for variable, (parse, wanted) in _REQUIRED.items():
        if variables.get(variable) is None:
            report.add(name, variable, f"is missing; give {wanted}")
        else:
            found[variable] = report.attempt(name, variable, parse, variables[variable])
    for variable, parse in _OPTIONAL.items():
        if variables.get(variable) is not None:
            found[variable] = report.attempt(name, variable, parse, variables[variable])
    _check_networks(name, found, variables, report)
    if found.get("vmm_uplink") and variables.get("vmm_server_ipv4") is None:
        report.add(
            name,
            "vmm_server_ipv4",
            "is missing; behind vmm_uplink the gateway may be another machine, so give the "
            "server's own address on the VMs' network",
        )
    if len(report.problems) > before:
        return None
    settings = _settings(name, found)
    _check_switches(settings, report)
    _check_host_interface(settings, report)
    _check_nat(settings, report)
    return settings if len(report.problems) == before else None


def _report_misspelled(
    name: str, variables: Mapping[str, object], foreign: frozenset[str], report: Report
) -> None:
    known = {variable.removeprefix(PREFIX): variable for variable in VARIABLES}
    for variable in variables:
        if not variable.startswith(PREFIX) or variable in VARIABLES or variable in foreign:
            continue
        near = difflib.get_close_matches(variable.removeprefix(PREFIX), known, 1, _LIKE)
        if near:
            report.add(name, variable, f"is not a variable of a server; is {known[near[0]]} meant?")


def _check_networks(
    name: str, found: Mapping[str, Any], given: Mapping[str, object], report: Report
) -> None:
    """Check what only makes sense together."""
    for family in ("ipv4", "ipv6"):
        network = found.get(f"vmm_{family}_network")
        if network is None:
            continue
        if family == "ipv4" and network.prefixlen > _LONGEST_IPV4_PREFIX:
            report.add(
                name,
                "vmm_ipv4_network",
                f"{network} has no room for a gateway and VMs; dhcpd(8) needs a subnet that both "
                f"are in, of /{_LONGEST_IPV4_PREFIX} or larger",
            )
            continue
        for variable in (f"vmm_{family}_gateway", f"vmm_server_{family}"):
            address = found.get(variable)
            if address is None:
                continue
            on_link = address.version == 6 and address.is_link_local
            if not (usable(network, address) or on_link):
                report.add(name, variable, f"{address} is not a usable address of {network}")
        for bound in found.get(f"vmm_{family}_range") or ():
            if not usable(network, bound):
                variable = f"vmm_{family}_range"
                report.add(name, variable, f"{bound} is not a usable address of {network}")
    if given.get("vmm_ipv6_network") is None:
        for variable in ("vmm_ipv6_gateway", "vmm_ipv6_range", "vmm_server_ipv6"):
            if given.get(variable) is not None:
                report.add(name, variable, "needs vmm_ipv6_network; give that too")
    elif given.get("vmm_ipv6_gateway") is None:
        report.add(
            name,
            "vmm_ipv6_gateway",
            "is missing; give the router of vmm_ipv6_network, such as fe80::1",
        )


def _check_switches(server: ServerSettings, report: Report) -> None:
    """Check that no two switches have the same name, and no two the same interface."""
    names: set[str] = set()
    interfaces: set[str] = set()
    for switch in server.switches:
        for value, seen in ((switch.name, names), (switch.interface, interfaces)):
            if value in seen:
                report.add(
                    server.name,
                    "vmm_switches",
                    f"{value} belongs to two switches, vmm_switch counted; use another one",
                )
            seen.add(value)


def _check_host_interface(server: ServerSettings, report: Report) -> None:
    """Check that the server's own address is put where it is of use."""
    host, uplink = server.host_interface, server.uplink
    driver = host.rstrip("0123456789")
    if uplink is None:
        return
    if server.switch.interface.startswith("veb") and driver not in ("pair", "vport"):
        report.add(
            server.name,
            "vmm_host_interface",
            f"{host} cannot have an address on a veb(4), which takes its ports away from the "
            f"server; use a pair(4), such as pair1, or a vport(4), such as vport0",
        )
    elif server.switch.interface.startswith("bridge") and not (
        driver == "vether" or host == uplink.interface
    ):
        report.add(
            server.name,
            "vmm_host_interface",
            f"{host} is not on the bridge(4); use a vether(4), such as vether0, or "
            f"{uplink.interface}",
        )


def _check_nat(server: ServerSettings, report: Report) -> None:
    """Check that with the preset nat the server itself is the way out of the VMs' network."""
    if server.preset != NAT:
        return
    if server.uplink is not None:
        report.add(
            server.name,
            "vmm_uplink",
            "leads out of the switch, and with the preset nat the VMs are on a network behind the "
            "server; take it out, or use the preset veb",
        )
    elif server.server_ipv4 != server.ipv4.gateway:
        report.add(
            server.name,
            "vmm_server_ipv4",
            f"{server.server_ipv4} is not the gateway, {server.ipv4.gateway}, which with the "
            f"preset nat is the server itself; take it out",
        )


def _settings(name: str, found: Mapping[str, Any]) -> ServerSettings:
    preset_name = found.get("vmm_preset", DEFAULT_PRESET)
    preset = PRESETS[preset_name]
    given = found.get("vmm_switch", {})
    switch = grammar.Switch(
        given.get("name", preset.switch.name), given.get("interface", preset.switch.interface)
    )
    uplink = found.get("vmm_uplink")
    server_ipv4 = found.get("vmm_server_ipv4", found["vmm_ipv4_gateway"])
    ipv6 = None
    if network := found.get("vmm_ipv6_network"):
        first6, last6 = found.get("vmm_ipv6_range") or ipv6_bounds(network)
        ipv6 = AddressPlan(network, first6, last6, found["vmm_ipv6_gateway"])
    server_ipv6 = found.get("vmm_server_ipv6")
    if server_ipv6 is None and ipv6 and server_ipv4 == found["vmm_ipv4_gateway"]:
        # Who is the VMs' router for IPv4 is it for IPv6 too.
        server_ipv6 = ipv6.gateway
    network = found["vmm_ipv4_network"]
    first4, last4 = found.get("vmm_ipv4_range") or ipv4_bounds(network)
    return ServerSettings(
        name=name,
        preset=preset_name,
        domain=found["vmm_domain"],
        dns_servers=found["vmm_dns_servers"],
        timezone=found.get("vmm_timezone", DEFAULT_TIMEZONE),
        mac=MacPlan(found["vmm_mac_prefix"], found.get("vmm_mac_number_base", "hex")),
        ipv4=AddressPlan(network, first4, last4, found["vmm_ipv4_gateway"]),
        server_ipv4=server_ipv4,
        server_ipv6=server_ipv6,
        ipv6=ipv6,
        reserved=found.get("vmm_reserved", Reserved()),
        reserved_ports=found.get("vmm_reserved_ports", (forwards.SSH,)),
        switches=(switch, *found.get("vmm_switches", ())),
        host_interface=found.get("vmm_host_interface")
        or host_interface(preset_name, switch.interface, uplink.vlan if uplink else None),
        uplink=uplink,
        image_directory=found.get("vmm_image_directory", DEFAULT_IMAGE_DIRECTORY),
        disk_format=preset.disk_format,
        tap_count=found.get("vmm_tap_count"),
        release=found.get("vmm_release"),
        sets_server=found.get("vmm_sets_server", str(server_ipv4)),
        sets=found.get("vmm_sets", DEFAULT_SETS),
        sysctl={**preset.sysctl, **found.get("vmm_sysctl", {})},
        memory_limit=found.get("vmm_memory_limit"),
        disk_limit=found.get("vmm_disk_limit"),
        vm_memory_limit=found.get("vmm_vm_memory_limit", _VM_MEMORY_LIMIT),
        vm_disk_limit=found.get("vmm_vm_disk_limit", _VM_DISK_LIMIT),
        quarantine_days=found.get("vmm_quarantine_days", _QUARANTINE),
        install_limit=found.get("vmm_install_limit", _INSTALL_LIMIT),
        installer=found.get("vmm_installer_kernel", "/bsd.rd"),
        sets_directory=found.get("vmm_sets_directory", "/var/www/htdocs/amd64"),
        owners_group=found.get("vmm_owners_group", "vmdusers"),
    )


def fixed_addresses(
    variables: Mapping[str, Mapping[str, object]], servers: Mapping[str, ServerSettings]
) -> dict[Address, str]:
    """Return the addresses of servers and their routers, also of servers with problems."""
    addresses: dict[Address, str] = {}
    for name, given in variables.items():
        addresses |= {
            address: f"an address of {name}'s network" for address in _own_addresses(given)
        }
    for name, server in servers.items():
        for address in (server.server_ipv4, server.server_ipv6):
            if address is not None:
                addresses[address] = f"the address of {name} itself"
    for name, server in servers.items():
        for plan in (server.ipv4, server.ipv6):
            if plan is not None:
                addresses[plan.gateway] = f"the gateway of {name}'s network {plan.network}"
    return addresses
