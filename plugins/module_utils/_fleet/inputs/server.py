# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The settings of a server, from its vmm_* variables."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.networks import (
    LIST,
    Network,
    Wire,
    check_network,
    make_networks,
    short_form,
    wires,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.presets import (
    DEFAULT_IMAGE_DIRECTORY,
    DEFAULT_PRESET,
    DEFAULT_SETS,
    DEFAULT_TIMEZONE,
    NAT,
    PRESETS,
    host_interface,
    host_port,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar import (
    addresses,
    forwards,
    images,
    names,
    networks,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar import server as grammar
from ansible_collections.puffy.vmm.plugins.module_utils._grammar import uplink as uplinks
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.address_plan import (
    Address,
    AddressPlan,
    MacPlan,
    Reserved,
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

_LIKE = 0.82


@dataclass(frozen=True)
class ServerSettings:
    """A server's settings with all defaults filled in; limits are in bytes.

    switches begins with vmm_switch, and networks with one on it, which VMs are on first; its
    addresses are the server's. tap_count, release and the limits are None where the server decides.
    """

    name: str
    preset: str
    domain: str
    dns_servers: tuple[str, ...]
    timezone: str
    mac: MacPlan
    networks: tuple[Network, ...]
    wires: tuple[Wire, ...]
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
    transfer_address: Address | None
    sets_directory: str
    owners_group: str

    @property
    def switch(self) -> grammar.Switch:
        """The switch of the first network."""
        return self.switches[0]

    @property
    def ipv4(self) -> AddressPlan[IPv4Address]:
        return self.networks[0].ipv4

    @property
    def server_ipv4(self) -> IPv4Address:
        return self.networks[0].server_ipv4

    @property
    def ipv6(self) -> AddressPlan[IPv6Address] | None:
        return self.networks[0].ipv6

    @property
    def server_ipv6(self) -> IPv6Address | None:
        return self.networks[0].server_ipv6

    @property
    def numbered(self) -> bool:
        """Whether a VM's number gives its addresses, as it does where there is one network."""
        return len(self.networks) == 1

    def network(self, name: str) -> Network | None:
        return next((one for one in self.networks if one.name == name), None)

    def network_of(self, address: Address) -> Network | None:
        """Return the network that an address is one of."""
        return next((one for one in self.networks if one.has(address)), None)


_Parse = Callable[[object], Any]


def _one_network(value: object) -> Any:
    try:
        return addresses.ipv4_network(value)
    except Refused as refused:
        several = isinstance(value, list | tuple)
        raise Refused(f"{refused}; several go into {LIST}") if several else refused from None


_REQUIRED: Mapping[str, tuple[_Parse, str]] = {
    "vmm_mac_prefix": (
        addresses.mac_prefix,
        "the first four or five octets of its VMs' MACs, such as fe:e1:bb:d1:c8",
    ),
    "vmm_ipv4_network": (_one_network, "its VMs' network, such as 203.0.113.0/24"),
    "vmm_ipv4_gateway": (addresses.ipv4, "the router of that network, such as 203.0.113.1"),
    "vmm_domain": (names.hostname, "the domain of its VMs, such as example.org"),
    "vmm_dns_servers": (grammar.dns_servers, "a list of IPv4 addresses, such as [203.0.113.1]"),
}

_OPTIONAL: Mapping[str, _Parse] = {
    "vmm_mac_number_base": lambda value: choice(value, ("hex", "decimal")),
    "vmm_networks": networks.networks,
    "vmm_ipv4_range": networks.ipv4_range,
    "vmm_ipv6_network": addresses.ipv6_network,
    "vmm_ipv6_gateway": networks.ipv6_gateway,
    "vmm_ipv6_range": networks.ipv6_range,
    "vmm_ipv6_prefixes": networks.ipv6_prefixes,
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
    "vmm_transfer_address": addresses.address,
    "vmm_sets_directory": images.directory,
    "vmm_owners_group": grammar.group,
}

VARIABLES = (*_REQUIRED, *_OPTIONAL)

# The variables that describe one network, without their prefix.
_SHORT = tuple(networks.SHORT_PARTS)
_OWN_ADDRESSES = ("ipv4_gateway", "ipv6_gateway", "server_ipv4", "server_ipv6")


def _own_addresses(variables: Mapping[str, object]) -> Iterator[Address]:
    """Yield the addresses of a server and of its routers, as far as its settings are usable."""
    listed = variables.get(LIST)
    given = [{key: variables.get(f"{PREFIX}{key}") for key in _OWN_ADDRESSES}]
    given += [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    for one in given:
        for key in _OWN_ADDRESSES:
            if one.get(key) is not None:
                with suppress(Refused):
                    yield networks.PARTS[key](one[key])


def read_server(
    name: str, variables: Mapping[str, object], foreign: frozenset[str], report: Report
) -> ServerSettings | None:
    """Return the settings of a server, or None where the report tells what is wrong.

    foreign are names that begin with vmm_ too and belong to something else than a server.
    """
    before = len(report.problems)
    _report_misspelled(name, variables, foreign, report)
    found: dict[str, Any] = {}
    listed = variables.get(LIST) is not None
    for variable, (parse, wanted) in _REQUIRED.items():
        if variables.get(variable) is None:
            if listed and variable.removeprefix(PREFIX) in _SHORT:
                continue
            report.add(name, variable, f"is missing; give {wanted}")
        else:
            found[variable] = report.attempt(name, variable, parse, variables[variable])
    for variable, parse in _OPTIONAL.items():
        if variables.get(variable) is not None:
            found[variable] = report.attempt(name, variable, parse, variables[variable])
    _check_networks(name, found, variables, report)
    if len(report.problems) > before:
        return None
    switches = _switches(found)
    given = found.get(LIST) or (short_form(found),)
    own = make_networks(name, given, switches, report, listed=listed)
    if len(report.problems) > before:
        return None
    settings = _settings(name, found, switches, own)
    _check_switches(settings, report)
    _check_host_interfaces(settings, report)
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
    if given.get(LIST) is None:
        check_network(name, short_form(found), given, report)
        return
    for key in _SHORT:
        if given.get(f"{PREFIX}{key}") is not None:
            text = f"stands beside {LIST}; give all networks there, and take this out"
            report.add(name, f"{PREFIX}{key}", text)
    for network in found.get(LIST) or ():
        check_network(name, network, None, report)


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


def _check_host_interfaces(server: ServerSettings, report: Report) -> None:
    """Check that the server's own addresses are put where they are of use."""
    seen: dict[str, str] = {}
    for wire in server.wires:
        first = wire.switch is server.switch
        where = "vmm_host_interface" if first else "vmm_switches"
        for name in filter(None, (wire.host_interface, host_port(wire.host_interface))):
            if name in seen:
                report.add(
                    server.name,
                    where,
                    f"{name} would be the server's own interface on the switches {seen[name]} and "
                    f"{wire.switch.name}; give one of them another host_interface",
                )
            seen[name] = wire.switch.name
        if wire.switch.uplink is not None or server.preset == NAT:
            _check_host_interface(server.name, wire, where, report)


def _check_host_interface(server: str, wire: Wire, where: str, report: Report) -> None:
    host, uplink = wire.host_interface, wire.switch.uplink
    driver = host.rstrip("0123456789")
    if wire.switch.interface.startswith("veb") and driver not in ("pair", "vport"):
        report.add(
            server,
            where,
            f"{host} cannot have an address on a veb(4), which takes its ports away from the "
            f"server; use a pair(4), such as pair1, or a vport(4), such as vport0",
        )
    elif wire.switch.interface.startswith("bridge") and not (
        driver == "vether" or (uplink and host == uplink.interface)
    ):
        or_uplink = f", or {uplink.interface}" if uplink else ""
        report.add(
            server,
            where,
            f"{host} is not on the bridge(4); use a vether(4), such as vether0{or_uplink}",
        )


def _check_nat(server: ServerSettings, report: Report) -> None:
    """Check that with the preset nat the server itself is the way out of the VMs' network."""
    if server.preset != NAT:
        return
    others = [one for one in server.networks if one.server_ipv4 != one.ipv4.gateway]
    if any(switch.uplink for switch in server.switches):
        report.add(
            server.name,
            "vmm_uplink" if server.uplink else "vmm_switches",
            "leads out of the switch, and with the preset nat the VMs are on a network behind the "
            "server; take it out, or use the preset veb",
        )
    elif others:
        report.add(
            server.name,
            "vmm_server_ipv4" if server.numbered else LIST,
            f"{others[0].server_ipv4} is not the gateway, {others[0].ipv4.gateway}, which with the "
            f"preset nat is the server itself; take it out",
        )


def _switches(found: Mapping[str, Any]) -> tuple[grammar.Switch, ...]:
    """Return the switches, each with the server's own interface on it."""
    preset_name = found.get("vmm_preset", DEFAULT_PRESET)
    preset, given = PRESETS[preset_name], found.get("vmm_switch", {})
    first = grammar.Switch(
        given.get("name", preset.switch.name),
        given.get("interface", preset.switch.interface),
        found.get("vmm_uplink"),
        found.get("vmm_host_interface"),
    )
    return tuple(
        replace(
            one,
            host_interface=one.host_interface
            or host_interface(preset_name, one.interface, one.uplink.vlan if one.uplink else None),
        )
        for one in (first, *found.get("vmm_switches", ()))
    )


def _settings(
    name: str,
    found: Mapping[str, Any],
    switches: tuple[grammar.Switch, ...],
    own: tuple[Network, ...],
) -> ServerSettings:
    preset_name = found.get("vmm_preset", DEFAULT_PRESET)
    preset = PRESETS[preset_name]
    return ServerSettings(
        name=name,
        preset=preset_name,
        domain=found["vmm_domain"],
        dns_servers=found["vmm_dns_servers"],
        timezone=found.get("vmm_timezone", DEFAULT_TIMEZONE),
        mac=MacPlan(found["vmm_mac_prefix"], found.get("vmm_mac_number_base", "hex")),
        networks=own,
        wires=wires(own, switches),
        reserved=found.get("vmm_reserved", Reserved()),
        reserved_ports=found.get("vmm_reserved_ports", (forwards.SSH,)),
        switches=switches,
        host_interface=switches[0].host_interface or "",
        uplink=switches[0].uplink,
        image_directory=found.get("vmm_image_directory", DEFAULT_IMAGE_DIRECTORY),
        disk_format=preset.disk_format,
        tap_count=found.get("vmm_tap_count"),
        release=found.get("vmm_release"),
        sets_server=found.get("vmm_sets_server", str(own[0].server_ipv4)),
        sets=found.get("vmm_sets", DEFAULT_SETS),
        sysctl={**preset.sysctl, **found.get("vmm_sysctl", {})},
        memory_limit=found.get("vmm_memory_limit"),
        disk_limit=found.get("vmm_disk_limit"),
        vm_memory_limit=found.get("vmm_vm_memory_limit", _VM_MEMORY_LIMIT),
        vm_disk_limit=found.get("vmm_vm_disk_limit", _VM_DISK_LIMIT),
        quarantine_days=found.get("vmm_quarantine_days", _QUARANTINE),
        install_limit=found.get("vmm_install_limit", _INSTALL_LIMIT),
        installer=found.get("vmm_installer_kernel", "/bsd.rd"),
        transfer_address=found.get("vmm_transfer_address"),
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
        for network in server.networks:
            for address in (network.server_ipv4, network.server_ipv6):
                if address is not None:
                    addresses[address] = f"the address of {name} itself"
    for name, server in servers.items():
        for network in server.networks:
            for plan in (network.ipv4, network.ipv6):
                if plan is not None:
                    addresses[plan.gateway] = f"the gateway of {name}'s network {plan.network}"
    return addresses
