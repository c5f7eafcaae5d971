# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""dhcpd(8): the check, the daemon, and the leases that clients get from it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from typing import TYPE_CHECKING

from sandbox.model import errors
from sandbox.model.network.frames import has_stack
from sandbox.model.rc.daemon import Daemon, Outcome
from sandbox.model.replay import Refused
from sandbox.target.call import Call, Handler, NotModelled, Result
from sandbox.target.options import getopt

from .conf import Config, Host, Subnet, read

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

CONFIGURATION = "/etc/dhcpd.conf"
LEASES = "/var/db/dhcpd.leases"
FILENAME_BYTES = 127


@dataclass(frozen=True)
class Lease:
    """What a client gets: its address and what dhcpleased(8) notes of the rest."""

    address: IPv4Interface
    next_server: IPv4Address
    filename: str = ""
    host_name: str = ""
    domain: str = ""


def load(machine: Machine, path: str) -> Config:
    """Refused with what dhcpd writes."""
    try:
        text = machine.files.read_text(path)
    except OSError as error:
        reason = errors.text(error.errno or 0)
        raise Refused(f"fatal in dhcpd: Can't open {path}: {reason}\n") from error
    return read(path, text)


class Dhcpd(Daemon):
    """The daemon. It keeps the configuration of its start, whatever the file says later."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine, "dhcpd")
        self.config = Config()

    @property
    def interfaces(self) -> list[str]:
        """Where it listens."""
        return list(self.state.get("interfaces", {}))

    def start(self) -> None:
        if self.alive:
            self.config = load(self.machine, CONFIGURATION)

    def watch(self) -> None:
        """It ends when all interfaces that it listened on are gone."""
        if self.alive and not any(map(self.machine.network.exists, self.interfaces)):
            self.end()

    def test(self, path: str = CONFIGURATION) -> Outcome:
        """dhcpd -n: neither interfaces nor leases matter."""
        try:
            load(self.machine, path)
        except Refused as refused:
            return Outcome(ok=False, stderr=str(refused))
        return Outcome()

    def launch(self, flags: tuple[str, ...]) -> Outcome:
        """Everything up to going into the background. The rc.d script touches the leases file."""
        config = load(self.machine, CONFIGURATION)
        if not self.machine.files.exists(LEASES):
            self.machine.files.write_text(LEASES, "")
        listening = self._discover(config, flags)
        if not listening:
            return Outcome(ok=False)
        self.config = config
        self.state["interfaces"] = listening
        self.state.setdefault("dynamic", {})
        return super().launch(flags)

    def end(self, timeout: float = 0) -> Outcome:
        self.state.pop("interfaces", None)
        return super().end()

    def _discover(self, config: Config, names: tuple[str, ...]) -> dict[str, str]:
        """Interface and address for each that can be listened on."""
        if not names:
            raise NotModelled("dhcpd without interfaces in its flags")
        listening = {}
        for name in reversed(names):
            address = self._first_address(name)
            if address and config.subnet_of(IPv4Address(address)) is not None:
                listening[name] = address
        return listening

    def _first_address(self, name: str) -> str:
        interface = self.machine.network.interfaces.get(name)
        return str(IPv4Interface(interface.inet[0]).ip) if interface and interface.inet else ""

    def lease(self, mac: str, interface: str) -> Lease | None:
        """What a client that asks on this interface gets, with the log lines of the exchange."""
        listens = self.alive and interface in self.state["interfaces"]
        if not listens or not has_stack(self.machine, interface):
            return None
        mac = mac.lower()
        own = IPv4Address(self.state["interfaces"][interface])
        subnet = self.config.subnet_of(own)
        if subnet is None:
            return None
        self.log(f"DHCPDISCOVER from {mac} via {interface}")
        host = next((entry for entry in self.config.hosts if entry.mac == mac), None)
        if host and host.address:
            subnet = self.config.neighbour(subnet, host.address)
        address = host.address if host and host.address in subnet.network else None
        address = address or self._dynamic(mac, subnet, host)
        if address is None:
            return None
        self.log(f"DHCPOFFER on {address} to {mac} via {interface}")
        self.log(f"DHCPREQUEST for {address} from {mac} via {interface}")
        self.log(f"DHCPACK on {address} to {mac} via {interface}")
        return _compose(address, subnet, host, own)

    def _dynamic(self, mac: str, subnet: Subnet, host: Host | None) -> IPv4Address | None:
        taken: dict[str, str] = self.state["dynamic"]
        pool = [
            str(IPv4Address(number))
            for low, high in subnet.ranges
            for number in range(int(low), int(high) + 1)
        ]
        free = [ip for ip in pool if taken.get(ip) == mac] or [x for x in pool if x not in taken]
        if not free:
            self.log(f"no free leases on subnet {subnet.network.network_address}")
            return None
        if host is None and not subnet.scope.unknown_clients:
            self.log(f"Ignoring unknown client {mac}")
            return None
        taken[free[0]] = mac
        return IPv4Address(free[0])


def _compose(address: IPv4Address, subnet: Subnet, host: Host | None, own: IPv4Address) -> Lease:
    scope = host.scope if host else subnet.scope
    options = subnet.scope.options | scope.options
    return Lease(
        address=IPv4Interface(f"{address}/{subnet.network.prefixlen}"),
        next_server=scope.next_server or subnet.scope.next_server or own,
        filename=(scope.filename or subnet.scope.filename)[:FILENAME_BYTES],
        host_name="".join(options.get("host-name", ())),
        domain="".join(options.get("domain-name", ())),
    )


def dhcpd(machine: Machine, call: Call) -> Result:
    """dhcpd -n; the daemon itself is rcctl(8)'s to start."""
    options = getopt(call.argv[1:], "nc:")
    if options.operands or not options.has("n"):
        raise NotModelled(" ".join(call.argv[1:]))
    outcome = machine.dhcpd.test(options.last("c", CONFIGURATION) or "")
    return Result(int(not outcome.ok), "", outcome.stderr)


COMMANDS: dict[str, Handler] = {"/usr/sbin/dhcpd": dhcpd}
