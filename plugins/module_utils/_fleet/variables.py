# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What roles and playbooks see of a fleet: the variables of servers and of VMs, as plain data."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.disks import Disk
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.networks import (
    Network,
    Wire,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.presets import host_port
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.server import (
    MOST_TAPS,
    PREFIX,
    ServerSettings,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import Vm
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.links import ipv6_routes, links
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.forwards import Forward, ssh_port
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.interfaces import SWITCH_GROUP
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.names import host_label
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.questions import INTERFACE
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.server import Switch

# What vmd(8) itself, consoles and vmctl(8) need, and what its class daemon has.
_OPEN_FILES = 128
# In large steps, so that one more VM changes nothing: a run for it alone touches no other file.
_OPEN_FILES_STEP = 512

# The class vmd of OpenBSD's login.conf(5) has this datasize.
_DATASIZE_STEP = 16384 << 20
_PROCESS_BYTES = 256 << 20

SERVER_VARIABLES = ("vmm_host", "vmm_vms", "vmm_archived", "vmm_owners", "vmm_unknown_vms")

# What variables have under the names of the attributes.
_OF_SERVERS = """
    name preset domain dns_servers timezone host_interface image_directory release sets_server sets
    install_limit installer transfer_address sets_directory owners_group sysctl
    """.split()
_OF_VMS = """
    name server number mac ipv4 ipv6 ipv6_prefix network group owner user ssh_keys hostname memory
    detached cdrom boot seen refusal autostart state timezone sets install_options
    """.split()

# States in which a VM is in the server's configuration.
_CONFIGURED = frozenset({"present", "suspended"})

# More tap nodes than interfaces, so that one more VM needs no other step first.
_SPARE_TAPS = 10


def describe_server(
    server: ServerSettings, vms: Sequence[Vm], unknown: Collection[str] = ()
) -> dict[str, Any]:
    """Return the SERVER_VARIABLES as plain data.

    unknown are the names of VMs of which nobody knows how they were.
    """
    configured = [vm for vm in vms if vm.state in _CONFIGURED]
    return {
        "vmm_host": _host(server, configured),
        "vmm_vms": [_vm(vm) for vm in configured],
        "vmm_archived": [_vm(vm) for vm in vms if vm.state not in _CONFIGURED],
        "vmm_owners": _owners(configured),
        "vmm_unknown_vms": sorted(unknown),
    }


def vm_variables(vm: Vm, server_address: str = "") -> dict[str, Any]:
    """Return the variables of a VM as an inventory host, as plain data.

    server_address is where Ansible reaches the VM's server, by default at its name. A VM whose ssh
    is a port of its server is reached there.
    """
    port = ssh_port(vm.forward)
    return {
        **{f"{PREFIX}{name}": value for name, value in _vm(vm).items()},
        **({"ansible_port": port} if port else {}),
        "ansible_host": (server_address or vm.server) if port else str(vm.ipv4),
        "ansible_user": vm.user,
    }


def _host(server: ServerSettings, vms: Sequence[Vm]) -> dict[str, Any]:
    interfaces = sum(len(vm.interfaces) for vm in vms)
    uplink = server.uplink
    wires = {wire.switch.name: wire for wire in server.wires}
    networks = [_network(wires[network.switch], network) for network in server.networks]
    return {
        **_plain(server, _OF_SERVERS),
        "mac_prefix": server.mac.prefix,
        "ipv4": networks[0]["ipv4"],
        "ipv6": networks[0]["ipv6"],
        "networks": networks,
        "subnets": [str(network.ipv4.network) for network in server.networks],
        "wires": [_wire(server, wire) for wire in server.wires],
        "switch": _switch(server, server.switch),
        "switches": [_switch(server, switch) for switch in server.switches],
        "host_port": host_port(server.host_interface),
        "uplink": uplink and {**_plain(uplink, vars(uplink)), "interface": uplink.interface},
        "uplinks": [switch.uplink.interface for switch in server.switches if switch.uplink],
        "links": links(server),
        "ipv6_routes": ipv6_routes(server, vms),
        "tap_count": server.tap_count or min(interfaces + _SPARE_TAPS, MOST_TAPS),
        "open_files": _open_files(len(vms), interfaces),
        "largest_process": _largest_process(vms),
        "memory_limited": server.memory_limit is not None,
    }


def _plain(source: object, names: Iterable[str]) -> dict[str, Any]:
    """Return attributes as plain data; addresses and sizes become text."""
    return {name: _plain_value(getattr(source, name)) for name in names}


def _plain_value(value: object) -> object:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else str(value)


def _broadcast(network: IPv4Network | IPv6Network) -> str:
    """Return the address of all hosts of a network; a /31 or /32 has none of its own (RFC 3021)."""
    return str(network.broadcast_address) if network.prefixlen < 31 else "255.255.255.255"


def _network(wire: Wire, network: Network) -> dict[str, Any]:
    """Return a network, with the server's addresses for it, and the way to it."""
    ipv4, ipv6 = network.ipv4, network.ipv6
    return {
        "name": network.name,
        "switch": network.switch,
        "host_interface": wire.host_interface,
        # Who answers for DHCP on this switch, whichever network the VM is in.
        "dhcp": str(wire.server_ipv4),
        # Whether VMs reach the server through a router that is on the switch, too.
        "beyond": network.server_ipv4 != ipv4.gateway and not network.has(network.server_ipv4),
        "ipv4": {
            "network": str(ipv4.network.network_address),
            "netmask": str(ipv4.network.netmask),
            "prefix": ipv4.network.prefixlen,
            "broadcast": _broadcast(ipv4.network),
            "gateway": str(ipv4.gateway),
            "server": str(network.server_ipv4),
        },
        "ipv6": ipv6
        and {
            "network": str(ipv6.network.network_address),
            "prefix": ipv6.network.prefixlen,
            # A link-local address means something on an interface only: here, the VM's.
            "gateway": f"{ipv6.gateway}%{INTERFACE}"
            if ipv6.gateway.is_link_local
            else str(ipv6.gateway),
            "server": network.server_ipv6 and str(network.server_ipv6),
        },
        "ipv6_prefixes": network.ipv6_prefixes and str(network.ipv6_prefixes),
        "routes_ipv6": network.routes_ipv6,
    }


def _wire(server: ServerSettings, wire: Wire) -> dict[str, Any]:
    """Return a switch with networks, as rules and daemons need it."""
    veb, uplink = wire.switch.interface.startswith("veb"), wire.switch.uplink
    subnets = [network.ipv4.network for network in wire.networks]
    return {
        "name": wire.switch.name,
        "interface": wire.switch.interface,
        "host_interface": wire.host_interface,
        "host_port": host_port(wire.host_interface),
        "uplink": uplink and uplink.interface,
        "networks": [network.name for network in wire.networks],
        # Nobody else says who the router is.
        "advertise": uplink is None and any(network.routes_ipv6 for network in wire.networks),
        "server": str(wire.server_ipv4),
        # dhcpd(8) listens where it knows the subnet of the interface's own address.
        "foreign": not any(wire.server_ipv4 in subnet for subnet in subnets),
        # With link1, a veb(4) has pf see what its ports carry; a bridge(4) always does.
        "link": {
            "name": wire.switch.interface,
            "flags": ["link1"] if veb else [],
            "prove": str(wire.server_ipv4) if veb else None,
        },
    }


def _switch(server: ServerSettings, switch: Switch) -> dict[str, Any]:
    """Return a switch and the interface group of its VMs: pf(4) has rules if it has networks."""
    wired = any(wire.switch is switch for wire in server.wires)
    group = SWITCH_GROUP if wired else None
    return {"name": switch.name, "interface": switch.interface, "group": group}


def _open_files(vms: int, interfaces: int) -> int:
    """Return how many files vmd(8) may need to have open, in steps.

    Its parent keeps a tty of each VM that ran (config_setvm() of usr.sbin/vmd/config.c), vmm a
    socket; the parent opens the disk of a VM that starts and each tap(4), twice.
    """
    most = _OPEN_FILES + 3 * vms + 2 * interfaces
    return -(-most // _OPEN_FILES_STEP) * _OPEN_FILES_STEP


def _largest_process(vms: Sequence[Vm]) -> int:
    """Return the MB that the largest process of vmd(8) may need, in steps of OpenBSD's own limit.

    The memory of a VM counts as data of its process, next to some MB of vmd itself.
    """
    most = max((vm.memory.bytes for vm in vms), default=0) + _PROCESS_BYTES
    return -(-most // _DATASIZE_STEP) * _DATASIZE_STEP >> 20


def _vm(vm: Vm) -> dict[str, Any]:
    return {
        **_plain(vm, _OF_VMS),
        "label": host_label(vm.name),
        "interfaces": [_plain(interface, vars(interface)) for interface in vm.interfaces],
        "forward": [_forward(forward) for forward in vm.forward],
        "ssh_port": ssh_port(vm.forward),
        "disk": str(vm.disk.size),
        "disk_format": vm.disk.format,
        "image": _image(vm.disk),
        "disks": [{**_image(disk), "recorded": disk.recorded} for disk in vm.disks],
        "made": vm.disk.recorded,
        "install_by": vm.install,
        "installed": vm.installed and vm.installed.as_data(),
        "moving": vm.moving and _plain(vm.moving, ("source", "to", "ran")),
    }


def _image(disk: Disk) -> dict[str, Any]:
    return {"path": disk.image, "size": str(disk.size), "format": disk.format}


def _forward(forward: Forward) -> dict[str, Any]:
    """Return ports of the server and the VM, as pf.conf(5) has them; both may be a range."""
    ports = str(forward.ports).replace("-", ":")
    to = str(forward.to or ports)
    return {"protocol": forward.protocol, "ports": ports, "to": to}


def _owners(vms: Sequence[Vm]) -> list[dict[str, Any]]:
    owners: dict[str, list[Vm]] = {}
    for vm in vms:
        owners.setdefault(vm.owner, []).append(vm)
    return [
        {
            "name": owner,
            "ssh_keys": sorted({key for vm in own for key in vm.ssh_keys}),
            "vms": [vm.name for vm in own],
        }
        for owner, own in sorted(owners.items())
    ]
