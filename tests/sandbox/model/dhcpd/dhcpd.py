# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""dhcpd(8): the check, the daemon, and the leases that clients get from it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from typing import TYPE_CHECKING, Any

from sandbox.model import errors
from sandbox.model.network.frames import has_stack
from sandbox.model.network.interfaces import BROADCAST
from sandbox.model.rc.daemon import Background, Daemon, Outcome
from sandbox.model.words import Refused
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
    routers: tuple[IPv4Address, ...] = ()
    dns: tuple[IPv4Address, ...] = ()
    domain: str = ""


class FatalError(Exception):
    """dhcpd ends; the text is the last message it wrote."""


def load(machine: Machine, path: str) -> tuple[Config, str]:
    """The configuration and its text; FatalError if it is refused."""
    try:
        text = machine.files.read_text(path)
    except OSError as error:
        reason = errors.text(error.errno or 0)
        raise FatalError(f"fatal in dhcpd: Can't open {path}: {reason}\n") from error
    try:
        return read(path, text), text
    except Refused as refused:
        raise FatalError(str(refused)) from None


class Dhcpd:
    """The daemon. It keeps the configuration of its start, whatever the file says later."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.config = Config()
        self.process = Background(machine, "dhcpd")
        machine.services.register(
            Daemon(
                "dhcpd",
                start=self.launch,
                stop=lambda _timeout: self.end(),
                alive=lambda: self.alive,
                configtest=lambda: self.test(CONFIGURATION),
            )
        )

    @property
    def state(self) -> dict[str, Any]:
        return self.machine.subsystem("dhcpd")

    @property
    def alive(self) -> bool:
        return self.process.alive

    @property
    def interfaces(self) -> list[str]:
        """Where it listens."""
        return list(self.state.get("interfaces", {}))

    def start(self) -> None:
        if self.alive:
            self.config = read(CONFIGURATION, self.state["text"])

    def watch(self) -> None:
        """It ends when all interfaces that it listened on are gone."""
        if self.alive and not any(map(self.machine.network.exists, self.interfaces)):
            self.end()

    def test(self, path: str) -> Outcome:
        """dhcpd -n: neither interfaces nor leases matter."""
        try:
            load(self.machine, path)
        except FatalError as fatal:
            return Outcome(ok=False, stderr=str(fatal))
        return Outcome(ok=True)

    def launch(self, interfaces: tuple[str, ...]) -> Outcome:
        """Everything up to going into the background. The rc.d script touches the leases file."""
        try:
            config, text = load(self.machine, CONFIGURATION)
            if not self.machine.files.exists(LEASES):
                self.machine.files.write_text(LEASES, "")
            listening, notes = self._discover(config, interfaces)
        except FatalError as fatal:
            return Outcome(ok=False, stderr=str(fatal))
        self.config = config
        self.state.update(text=text, interfaces=listening)
        self.process.begin()
        self.state.setdefault("dynamic", {})
        return Outcome(ok=True, stderr=notes)

    def end(self) -> Outcome:
        self.process.finish()
        self.state.pop("interfaces", None)
        return Outcome(ok=True)

    def _discover(self, config: Config, wanted: tuple[str, ...]) -> tuple[dict[str, str], str]:
        """Interface and address for each that can be listened on, and what is said of them."""
        listening: dict[str, str] = {}
        notes = ""
        for name in reversed(wanted or self._candidates()):
            problem = self._why_not(config, name)
            if problem:
                notes += f"Can't listen on {name} - {problem}\n"
            else:
                listening[name] = self._first_address(name)
                notes += f"Listening on {name} ({listening[name]}).\n"
        if not listening:
            raise FatalError(notes + "fatal in dhcpd: No interfaces to listen on.\n")
        return listening, notes

    def _candidates(self) -> tuple[str, ...]:
        return tuple(name for name in self.machine.network.interfaces if self._broadcasts(name))

    def _broadcasts(self, name: str) -> bool:
        return bool(self.machine.network.get(name).all_flags(False) & BROADCAST)

    def _why_not(self, config: Config, name: str) -> str:
        network = self.machine.network
        if not network.exists(name) or not self._broadcasts(name):
            return "wrong rdomain"
        address = self._first_address(name)
        if not address:
            return "it has no IP address."
        if config.subnet_of(IPv4Address(address)) is None:
            return f"dhcpd.conf has no subnet declaration for {address}."
        return ""

    def _first_address(self, name: str) -> str:
        inet = self.machine.network.get(name).inet
        return str(IPv4Interface(inet[0]).ip) if inet else ""

    def lease(self, mac: str, interface: str) -> Lease | None:
        """What a client that asks on this interface gets, with the log lines of the exchange."""
        if not self.alive or interface not in self.state["interfaces"]:
            return None
        if not has_stack(self.machine, interface):
            return None
        mac = mac.lower()
        own = IPv4Address(self.state["interfaces"][interface])
        subnet = self.config.subnet_of(own)
        if subnet is None:
            return None
        self.process.log(f"DHCPDISCOVER from {mac} via {interface}")
        host = next((one for one in self.config.hosts if one.mac == mac), None)
        address = host.address if host and host.address in subnet.network else None
        address = address or self._dynamic(mac, subnet, host)
        if address is None:
            return None
        self.process.log(f"DHCPOFFER on {address} to {mac} via {interface}")
        self.process.log(f"DHCPREQUEST for {address} from {mac} via {interface}")
        self.process.log(f"DHCPACK on {address} to {mac} via {interface}")
        return _compose(address, subnet, host, own)

    def _dynamic(self, mac: str, subnet: Subnet, host: Host | None) -> IPv4Address | None:
        taken: dict[str, str] = self.state["dynamic"]
        pool = [
            str(IPv4Address(number))
            for low, high in subnet.ranges
            for number in range(int(low), int(high) + 1)
        ]
        free = [one for one in pool if taken.get(one) == mac] or [x for x in pool if x not in taken]
        if not free:
            self.process.log(f"no free leases on subnet {subnet.network.network_address}")
            return None
        if host is None and not subnet.scope.unknown_clients:
            self.process.log(f"Ignoring unknown client {mac}")
            return None
        taken[free[0]] = mac
        return IPv4Address(free[0])


def _compose(address: IPv4Address, subnet: Subnet, host: Host | None, own: IPv4Address) -> Lease:
    scope = host.scope if host else subnet.scope
    options = subnet.scope.options | scope.options

    def addresses(name: str) -> tuple[IPv4Address, ...]:
        return tuple(IPv4Address(text) for text in options.get(name, ()))

    return Lease(
        address=IPv4Interface(f"{address}/{subnet.network.prefixlen}"),
        next_server=scope.next_server or subnet.scope.next_server or own,
        filename=(scope.filename or subnet.scope.filename)[:FILENAME_BYTES],
        host_name="".join(options.get("host-name", ())),
        routers=addresses("routers"),
        dns=addresses("domain-name-servers"),
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
