# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The settings of a server, from its vmm_* variables."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from ipaddress import IPv4Address, IPv6Address
from itertools import product
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.networks import (
    FAMILIES,
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
    Parse,
    choice,
    whole_number,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import GIBI, TEBI
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, Report

# Prefix of all variables of this collection that describe servers and VMs.
PREFIX = "vmm_"

# MAX_TAP of usr.sbin/vmd/vmd.h: where vmd stops looking for a free one.
MOST_TAPS = 256

# vmd's process vmm has a socket for each VM that runs, and gives the process of one that starts the
# number of another, which must not be above 128, however many files it may open (vmm_start_vm() and
# main() of usr.sbin/vmd). It has 7 descriptors of its own, and up to 12 of the VM that starts: its
# kernel, CD, terminal, 4 disks, 4 tap(4), and its end of the socket. The rest is for VMs that the
# fleet does not have. The kernel's limit is 512 vCPUs (sys/dev/vmm/vmm.h).
MOST_RUNNING = 100

# Days.
_LONGEST_QUARANTINE = 36_500

# How alike two names are of which one may be the other, misspelled.
_LIKE = 0.82


@dataclass(frozen=True)
class ServerSettings:
    """A server's settings with all defaults filled in; limits are in bytes.

    switches begins with vmm_switch, and networks with one on it, which VMs get addresses of first
    and which has the server's own. tap_count, release and the limits are None where the server
    decides.
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
        """Whether a VM's number determines its addresses, as it does where there is one network."""
        return len(self.networks) == 1

    def network(self, name: str) -> Network | None:
        return next((network for network in self.networks if network.name == name), None)

    def network_of(self, address: Address) -> Network | None:
        """Return the network that an address is in."""
        return next((network for network in self.networks if network.has(address)), None)


@dataclass(frozen=True)
class _Variable:
    """How a variable is read, what it is without a value, and what to give if it is required."""

    parse: Parse
    default: Any = None
    required: str = ""


def _one_network(value: object) -> Any:
    try:
        return addresses.ipv4_network(value)
    except Refused as refused:
        several = isinstance(value, list | tuple)
        raise Refused(f"{refused}; several go into {LIST}") if several else refused from None


# By their names without the prefix.
_VARIABLES: Mapping[str, _Variable] = {
    "mac_prefix": _Variable(
        addresses.mac_prefix,
        required="the first four or five octets of its VMs' MACs, such as fe:e1:bb:d1:c8",
    ),
    "ipv4_network": _Variable(_one_network, required="its VMs' network, such as 203.0.113.0/24"),
    "ipv4_gateway": _Variable(
        addresses.ipv4, required="the router of that network, such as 203.0.113.1"
    ),
    "domain": _Variable(names.hostname, required="the domain of its VMs, such as example.org"),
    "dns_servers": _Variable(
        grammar.dns_servers, required="a list of IPv4 addresses, such as [203.0.113.1]"
    ),
    "mac_number_base": _Variable(lambda value: choice(value, ("hex", "decimal")), "hex"),
    "networks": _Variable(networks.networks),
    "ipv4_range": _Variable(networks.ipv4_range),
    "ipv6_network": _Variable(addresses.ipv6_network),
    "ipv6_gateway": _Variable(networks.ipv6_gateway),
    "ipv6_range": _Variable(networks.ipv6_range),
    "ipv6_prefixes": _Variable(networks.ipv6_prefixes),
    "server_ipv4": _Variable(addresses.ipv4),
    "server_ipv6": _Variable(addresses.ipv6),
    "reserved": _Variable(grammar.reserved, Reserved()),
    "reserved_ports": _Variable(forwards.reserved_ports, (forwards.SSH,)),
    "preset": _Variable(lambda value: choice(value, tuple(PRESETS)), DEFAULT_PRESET),
    "switch": _Variable(grammar.switch, {}),
    "switches": _Variable(grammar.switches, ()),
    "host_interface": _Variable(uplinks.interface),
    "uplink": _Variable(uplinks.uplink),
    "image_directory": _Variable(images.directory, DEFAULT_IMAGE_DIRECTORY),
    "tap_count": _Variable(lambda value: whole_number(value, 1, MOST_TAPS)),
    "timezone": _Variable(names.timezone, DEFAULT_TIMEZONE),
    "release": _Variable(grammar.release),
    "sets_server": _Variable(grammar.sets_server),
    "sets": _Variable(names.set_patterns, DEFAULT_SETS),
    "sysctl": _Variable(grammar.sysctl, {}),
    "memory_limit": _Variable(grammar.limit),
    "disk_limit": _Variable(grammar.limit),
    # What one VM may have: enough for most, too little to fill a server by one mistyped digit.
    "vm_memory_limit": _Variable(grammar.limit, 64 * GIBI),
    "vm_disk_limit": _Variable(grammar.limit, 8 * TEBI),
    "quarantine_days": _Variable(lambda value: whole_number(value, 0, _LONGEST_QUARANTINE), 90),
    # VMs that are installed at once.
    "install_limit": _Variable(lambda value: whole_number(value, 1, MOST_TAPS), 16),
    "installer_kernel": _Variable(grammar.kernel, "/bsd.rd"),
    "transfer_address": _Variable(addresses.address),
    "sets_directory": _Variable(images.directory, "/var/www/htdocs/amd64"),
    "owners_group": _Variable(grammar.group, "vmdusers"),
}

VARIABLES = tuple(f"{PREFIX}{name}" for name in _VARIABLES)

_OWN_ADDRESSES = ("ipv4_gateway", "ipv6_gateway", "server_ipv4", "server_ipv6")


def _own_addresses(variables: Mapping[str, object]) -> Iterator[Address]:
    """Yield the addresses of a server and of its routers, as far as its settings are usable."""
    listed = variables.get(LIST)
    declared = [{key: variables.get(f"{PREFIX}{key}") for key in _OWN_ADDRESSES}]
    if isinstance(listed, list):
        declared += [network for network in listed if isinstance(network, dict)]
    for network, key in product(declared, _OWN_ADDRESSES):
        if network.get(key) is not None:
            with suppress(Refused):
                yield networks.PARTS[key](network[key])


def read_server(
    name: str, variables: Mapping[str, object], foreign: frozenset[str], report: Report
) -> ServerSettings | None:
    """Return the settings of a server, or None where the report says what is wrong.

    foreign are other names that begin with vmm_ and do not describe a server.
    """
    before = len(report.problems)
    _report_misspelled(name, variables, foreign, report)
    values: dict[str, Any] = {}
    listed = variables.get(LIST) is not None
    for short, variable in _VARIABLES.items():
        full = f"{PREFIX}{short}"
        if variables.get(full) is not None:
            values[short] = report.attempt(name, full, variable.parse, variables[full])
        elif variable.required and not (listed and short in networks.SHORT_PARTS):
            report.add(name, full, f"is missing; give {variable.required}")
    _check_networks(name, values, variables, report)
    if len(report.problems) > before:
        return None
    declared = values.get("networks") or (short_form(values),)
    values = {short: variable.default for short, variable in _VARIABLES.items()} | values
    switches = _switches(values)
    own = make_networks(name, declared, switches, report, listed=listed)
    if len(report.problems) > before:
        return None
    settings = _settings(name, values, switches, own)
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
    name: str, values: Mapping[str, Any], variables: Mapping[str, object], report: Report
) -> None:
    """Check what only makes sense together."""
    declared = {short: variables.get(f"{PREFIX}{short}") for short in networks.SHORT_PARTS}
    if variables.get(LIST) is None:
        check_network(name, short_form(values), short_form(declared), report)
        return
    for short, value in declared.items():
        if value is not None:
            text = f"is given as well as {LIST}; give all networks there, and take this out"
            report.add(name, f"{PREFIX}{short}", text)
    for network in values.get("networks") or ():
        check_network(name, network, None, report)


def _check_switches(server: ServerSettings, report: Report) -> None:
    """Check that no two switches have the same name, and no two the same interface."""
    names = Counter(switch.name for switch in server.switches)
    interfaces = Counter(switch.interface for switch in server.switches)
    for value, count in (*names.items(), *interfaces.items()):
        if count > 1:
            text = f"{value} belongs to two switches, vmm_switch counted; use another one"
            report.add(server.name, "vmm_switches", text)


def _check_host_interfaces(server: ServerSettings, report: Report) -> None:
    """Check that the server's own addresses are where they have an effect."""
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
    """Check that with the preset nat the server itself routes the VMs' network."""
    if server.preset != NAT:
        return
    elsewhere = [net for net in server.networks if net.server_ipv4 != net.ipv4.gateway]
    if any(switch.uplink for switch in server.switches):
        report.add(
            server.name,
            "vmm_uplink" if server.uplink else "vmm_switches",
            "leads out of the switch, and with the preset nat the VMs are on a network behind the "
            "server; take it out, or use the preset veb",
        )
    elif elsewhere:
        report.add(
            server.name,
            "vmm_server_ipv4" if server.numbered else LIST,
            f"{elsewhere[0].server_ipv4} is not the gateway, {elsewhere[0].ipv4.gateway}, which "
            f"with the preset nat is the server itself; take it out",
        )


def _switches(values: Mapping[str, Any]) -> tuple[grammar.Switch, ...]:
    """Return the switches, each with the server's own interface on it."""
    preset = values["preset"]
    first = replace(
        PRESETS[preset].switch,
        **values["switch"],
        uplink=values["uplink"],
        host_interface=values["host_interface"],
    )
    return tuple(
        replace(
            switch,
            host_interface=switch.host_interface
            or host_interface(preset, switch.interface, switch.uplink and switch.uplink.vlan),
        )
        for switch in (first, *values["switches"])
    )


def _settings(
    name: str,
    values: Mapping[str, Any],
    switches: tuple[grammar.Switch, ...],
    own: tuple[Network, ...],
) -> ServerSettings:
    preset = PRESETS[values["preset"]]
    settings = {
        field.name: values[field.name] for field in fields(ServerSettings) if field.name in values
    }
    settings |= {
        "name": name,
        "mac": MacPlan(values["mac_prefix"], values["mac_number_base"]),
        "networks": own,
        "wires": wires(own, switches),
        "switches": switches,
        "host_interface": switches[0].host_interface or "",
        "disk_format": preset.disk_format,
        "sets_server": values["sets_server"] or str(own[0].server_ipv4),
        "sysctl": {**preset.sysctl, **values["sysctl"]},
        "installer": values["installer_kernel"],
    }
    return ServerSettings(**settings)


def fixed_addresses(
    variables: Mapping[str, Mapping[str, object]], servers: Mapping[str, ServerSettings]
) -> dict[Address, str]:
    """Return the addresses of servers and their routers, also of servers with problems."""
    addresses: dict[Address, str] = {}
    for name, own in variables.items():
        addresses |= dict.fromkeys(_own_addresses(own), f"an address of {name}'s network")
    known = [(name, network) for name, server in servers.items() for network in server.networks]
    for (name, network), family in product(known, FAMILIES):
        if address := network.server(family):
            addresses[address] = f"the address of {name} itself"
    for (name, network), family in product(known, FAMILIES):
        if plan := network.plan(family):
            addresses[plan.gateway] = f"the gateway of {name}'s network {plan.network}"
    return addresses
