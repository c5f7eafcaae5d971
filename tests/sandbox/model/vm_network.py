# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What vmd(8)'s privileged process does to interfaces: those of switches and those of machines."""

from __future__ import annotations

import errno
import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.machine import Machine
    from sandbox.model.vm_conf import Nic, Session, Switch
    from sandbox.model.vm_state import Known

_DESCRIPTION_MAX = 63


def configure_switch(machine: Machine, number: int, switch: Switch) -> bool:
    """Describe a switch's interface and bring it up or down; False if there is none."""
    interface = machine.network.interfaces.get(switch.interface)
    if interface is None:
        return False
    interface.description = f"switch{number}-{switch.name}"[:_DESCRIPTION_MAX]
    interface.rdomain = switch.rdomain or 0
    interface.up = switch.up
    return True


def attach(
    machine: Machine, vm: Known, switches: list[Switch], session: Session
) -> Iterable[tuple[str, str]]:
    """Set up the taps of a machine that has started; yields log lines with the process's name."""
    for number, (tap, nic) in enumerate(zip(vm.taps, vm.config.nics, strict=True)):
        interface = machine.network.get(tap)
        interface.description = f"vm{vm.vmid}-if{number}-{vm.name}"[:_DESCRIPTION_MAX]
        switch = next((one for one in switches if nic.switch and one.name == nic.switch), None)
        if switch is None and nic.switch:
            yield f'switch "{nic.switch}" not found', "parent"
        if switch is not None:
            try:
                machine.network.add_member(switch.interface, tap)
            except OSError as error:
                if error.errno != errno.EEXIST:
                    yield f"SIOCBRDGADD: {error.strerror}", "priv"
        inherited = switch.rdomain if switch is not None else None
        interface.rdomain = (inherited if nic.rdomain is None else nic.rdomain) or 0
        for group in (nic.group, switch.group if switch else ""):
            if group and group not in interface.groups:
                interface.groups.append(group)
        interface.up = nic.up
        if nic.local:
            local_addresses(machine, vm, number, nic, session)


def local_addresses(machine: Machine, vm: Known, number: int, nic: Nic, session: Session) -> None:
    """The server's end of a `local interface`: the first address of a /31."""
    offset = (vm.vmid << 8) + (number + 1) * 2
    network = ipaddress.IPv4Network(session.settings.local_prefix, strict=False)
    address = network.network_address + offset
    if address not in network:
        return
    interface = machine.network.get(vm.taps[number])
    interface.inet = [f"{address}/31"]
    if session.settings.inet6:
        prefix = ipaddress.IPv6Network(session.settings.local_prefix6, strict=False)
        middle = (int(address) + 1) << 32
        interface.inet6 = [f"{prefix.network_address + middle + 1}/96"]
