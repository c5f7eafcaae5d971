# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""ping(8) to all hosts of a network, and tcpdump(8) that waits for such a packet.

What is sent is only known as long as somebody listens: `Wire` has the packets of the last seconds.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sandbox.model.pf.packets import Packet, passes
from sandbox.target.call import NotModelled, Result
from sandbox.target.options import getopt

from .frames import from_server, interface_behind

if TYPE_CHECKING:
    from sandbox.model.machine import Machine
    from sandbox.target.call import Call, Handler

_ALL_HOSTS = "224.0.0.1"
_LISTEN_SECONDS = 30


class Wire:
    """Who listens: the interface, and what came since."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.heard: dict[int, tuple[str, list[Packet]]] = {}

    def send(self, interface: str, packet: Packet) -> None:
        """The server sends a packet from its interface."""
        if not passes(self.machine, interface, "out", packet):
            return
        for port in from_server(self.machine, interface, packet):
            end = interface_behind(self.machine, port)
            for name, came in self.heard.values():
                if name in (port, end):
                    came.append(packet)


def ping(machine: Machine, call: Call) -> Result:
    options = getopt(call.argv[1:], "nqc:I:t:w:")
    if options.operands != (_ALL_HOSTS,) or not options.last("I"):
        raise NotModelled(" ".join(call.argv[1:]))
    source = options.last("I") or ""
    network = machine.network
    ends = {name: [str(own.ip) for own in network.addresses(name)] for name in network.interfaces}
    names = [name for name, own in ends.items() if source in own]
    if not names:
        return Result(1, stderr="ping: bind: Can't assign requested address\n")
    # -I only names the interface, whose first address it is (in_pcbselsrc() of in_pcb.c).
    packet = Packet(ends[names[0]][0], _ALL_HOSTS, "icmp", kind="echoreq", to_all=True)
    machine.wire.send(names[0], packet)
    call.sleep(machine.clock.real(float(options.last("w", "10") or 10)))
    return Result(1)


def tcpdump(machine: Machine, call: Call) -> Result:
    """It listens for one ICMP packet between two hosts."""
    options = getopt(call.argv[1:], "lnc:i:")
    if call.uid != 0:
        return Result(1, stderr="tcpdump: (no devices found) /dev/bpf: Permission denied\n")
    name = options.last("i") or ""
    if name not in machine.network.interfaces or not machine.network.get(name).up:
        raise NotModelled(f"tcpdump: {name}")
    match " ".join(options.operands).split():
        case ["icmp", "and", "src", "host", source, "and", "dst", "host", target]:
            ends = (source, target)
        case _:
            raise NotModelled(" ".join(call.argv[1:]))
    call.write("", f"tcpdump: listening on {name}, link-type EN10MB\n")
    came: list[Packet] = []
    machine.wire.heard[id(call)] = (name, came)
    try:
        until = time.monotonic() + _LISTEN_SECONDS
        while time.monotonic() < until and call.sleep(0.02):
            if any((packet.source, packet.target) == ends for packet in came):
                line = f"12:00:00.000000 {ends[0]} > {ends[1]}: icmp: echo request\n"
                return Result(0, line, "1 packets received by filter\n")
        return Result(143)
    finally:
        del machine.wire.heard[id(call)]


COMMANDS: dict[str, Handler] = {"/sbin/ping": ping, "/usr/sbin/tcpdump": tcpdump}
