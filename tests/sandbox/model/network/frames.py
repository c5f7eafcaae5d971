# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""IP packets in Ethernet frames, on their way through bridge(4) and veb(4), past pf(4).

sys/net/if_veb.c: with link1, pf sees a frame as it comes in from a port and as it leaves by one; a
frame for all ports is seen leaving once, on the veb itself; a vport(4) is left out. An IPv4 packet
that the server's stack sends through a vport has no header checksum yet (it offers to make it by
hardware), so the check before pf finds it bad and drops it; one that bpf(4) wrote has one.

sys/net/if_bridge.c: pf sees frames on members, but a unicast frame for the address of a member goes
straight to that member, and is seen there alone; what the server sends goes out without pf.

pair(4) hands each frame to its other end, without tags or states of pf (m_resethdr()).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.model.pf.packets import Packet, filtered, passes

from .interfaces import LINKS, type_of

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

_LINK1 = LINKS["link1"]


def ports(machine: Machine, source: str, packet: Packet, *, made: bool = False) -> list[str]:
    """The other ports of the switch that the packet of `source` leaves by.

    A unicast packet may leave by any of them: where its address is, the caller knows. `made` says
    that the packet was written whole, as by bpf(4), if source is the server's own interface.
    """
    network = machine.network
    switch = network.interfaces.get(network.switch_of(source))
    others = network.neighbours(source)
    if switch is None or not others:
        return []
    if type_of(switch.name) == "bridge":
        return _bridged(machine, source, others, packet)
    if not switch.flags & _LINK1:
        return others
    own = type_of(source) == "vport"
    if own and packet.af == "inet" and not made:
        others = [name for name in others if type_of(name) == "vport"]
    if not own and not passes(machine, source, "in", packet):
        return []
    if packet.to_all:
        return others if passes(machine, switch.name, "out", packet) else []
    return [
        name for name in others if type_of(name) == "vport" or passes(machine, name, "out", packet)
    ]


def _bridged(machine: Machine, source: str, others: list[str], packet: Packet) -> list[str]:
    if machine.network.addresses(source):
        return others
    stacks = [name for name in others if machine.network.addresses(name)]
    if not packet.to_all and any(
        packet.target == str(own.ip) for name in stacks for own in machine.network.addresses(name)
    ):
        return stacks
    if not passes(machine, source, "in", packet):
        return []
    return [name for name in others if passes(machine, name, "out", packet)]


def interface_behind(machine: Machine, port: str) -> str:
    """The other end of a pair(4), or the interface itself: from the switch's port to what has the
    network stack, and back."""
    interface = machine.network.interfaces.get(port)
    return interface.patch if interface is not None and interface.patch else port


def stacks(machine: Machine, tap: str) -> list[str]:
    """The interfaces on which the server hears a guest behind that tap.

    A port of a veb(4) is cut off from the server's stack unless it is a vport(4), or a pair(4) with
    its other end elsewhere; bridge(4) hands a copy to the stack of each of its members.
    """
    ends = (interface_behind(machine, name) for name in machine.network.neighbours(tap))
    return [name for name in ends if has_stack(machine, name)]


def has_stack(machine: Machine, interface: str) -> bool:
    """Whether frames on this interface reach the server itself."""
    if not machine.network.addresses(interface):
        return False
    switch = machine.network.switch_of(interface)
    return type_of(switch) != "veb" or type_of(interface) == "vport"


def from_server(
    machine: Machine, interface: str, packet: Packet, *, made: bool = False
) -> list[str]:
    """The ports that a packet of the server reaches from its interface; pf let it go out there."""
    return ports(machine, interface_behind(machine, interface), packet, made=made)


def answers(machine: Machine, tap: str, packet: Packet) -> Packet | None:
    """The packet as the server takes it, if it comes there from the tap and its answer back."""
    for port in ports(machine, tap, packet):
        name = interface_behind(machine, port)
        taken = filtered(machine, name, "in", packet)
        if taken is not None and tap in from_server(machine, name, packet.answer()):
            return taken
    return None
