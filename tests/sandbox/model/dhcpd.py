# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""dhcpd(8): its command line, the daemon, and the leases that clients get from it."""

from __future__ import annotations

import getopt
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address, IPv4Interface
from typing import TYPE_CHECKING, Any

from sandbox.call import Call, Handler, Result
from sandbox.model import dhcpd_conf, errors
from sandbox.model.background import Background
from sandbox.model.daemon import Daemon, Outcome
from sandbox.model.dhcpd_tree import Config, Host, SharedNetwork, Subnet, dotted
from sandbox.model.interfaces import BROADCAST
from sandbox.model.names import lookup4
from sandbox.model.segment import has_stack

if TYPE_CHECKING:
    from sandbox.machine import Machine

CONFIGURATION = "/etc/dhcpd.conf"
LEASES = "/var/db/dhcpd.leases"
FILENAME_BYTES = 127
USAGE = (
    "usage: dhcpd [-dfnv] [-A abandoned_ip_table] [-C changed_ip_table]\n"
    "\t[-c config-file] [-L leased_ip_table] [-l lease-file] [-u[bind_address]]\n"
    "\t[-Y synctarget] [-y synclisten] [interface ...]\n"
)


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


@dataclass(frozen=True)
class CommandLine:
    configuration: str = CONFIGURATION
    leases: str = LEASES
    test: bool = False
    interfaces: tuple[str, ...] = field(default=())


class FatalError(Exception):
    """dhcpd ends; the text is the last message it wrote."""


def command_line(words: list[str]) -> CommandLine:
    """Raises getopt.GetoptError for what dhcpd answers with its usage."""
    words = [word for word in words if not word.startswith("-u")]
    options, interfaces = getopt.getopt(words, "A:C:L:c:dfl:nvY:y:")
    given = dict(options)
    return CommandLine(
        given.get("-c", CONFIGURATION), given.get("-l", LEASES), "-n" in given, tuple(interfaces)
    )


def read(machine: Machine, path: str) -> tuple[Config, str, str]:
    """The configuration, its text, and what dhcpd writes about it; FatalError if it is refused."""
    try:
        text = machine.files.read_bytes(path).decode("latin-1")
    except OSError as error:
        reason = errors.text(error.errno or 0)
        raise FatalError(f"fatal in dhcpd: Can't open {path}: {reason}\n") from error
    config, messages = dhcpd_conf.check(text, path, partial(lookup4, machine))
    if config is None:
        raise FatalError(messages)
    return config, text, messages


class Dhcpd:
    """The daemon. It keeps the configuration of its start, whatever the file says later."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.config = Config()
        self.process = Background(machine, "dhcpd", self.end)
        machine.services.register(
            Daemon(
                "dhcpd",
                start=lambda _machine, flags: self.launch(list(flags), from_script=True),
                stop=lambda _machine, _timeout: self.end(),
                alive=lambda _machine: self.alive,
                configtest=lambda _machine, flags: self.test(list(flags)),
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
            name = self.state["configuration"]
            config, _ = dhcpd_conf.check(self.state["text"], name, partial(lookup4, self.machine))
            self.config = config or Config()

    def watch(self) -> None:
        """It ends when all interfaces that it listened on are gone."""
        if self.alive and not any(map(self.machine.network.exists, self.interfaces)):
            self.end()

    def test(self, words: list[str]) -> Outcome:
        """dhcpd -n: neither interfaces nor leases matter."""
        try:
            return Outcome(ok=True, stderr=read(self.machine, command_line(words).configuration)[2])
        except FatalError as fatal:
            return Outcome(ok=False, stderr=str(fatal))
        except getopt.GetoptError:
            return Outcome(ok=False, stderr=USAGE)

    def launch(self, words: list[str], *, from_script: bool = False) -> Outcome:
        """Everything up to going into the background. The rc.d script touches the leases file."""
        try:
            line = command_line(words)
            config, text, messages = read(self.machine, line.configuration)
            if from_script and not self.machine.files.exists(LEASES):
                self.machine.files.write_text(LEASES, "")
            self._need_leases(line.leases)
            listening, notes = self._discover(config, line.interfaces)
        except FatalError as fatal:
            return Outcome(ok=False, stderr=str(fatal))
        except getopt.GetoptError:
            return Outcome(ok=False, stderr=USAGE)
        self.config = config
        self.state.update(configuration=line.configuration, text=text, interfaces=listening)
        self.process.begin("_dhcp", " ".join(("/usr/sbin/dhcpd", *words)))
        self.state.setdefault("dynamic", {})
        return Outcome(ok=True, stderr=messages + notes)

    def end(self) -> Outcome:
        self.process.finish()
        self.state.pop("interfaces", None)
        return Outcome(ok=True)

    def _need_leases(self, path: str) -> None:
        if not self.machine.files.exists(path):
            raise FatalError(
                f"Can't open lease database ({path}): No such file or directory\n"
                "check for failed database rewrite attempt!\n"
                "Please read the dhcpd.leases manual page if you\n"
                "fatal in dhcpd: don't know what to do about this.\n"
            )

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
        if not network.exists(name) or not self._broadcasts(name) or network.get(name).rdomain:
            return "wrong rdomain"
        address = self._first_address(name)
        if not address:
            return "it has no IP address."
        if config.subnet_of(int(IPv4Address(address))) is None:
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
        around = self.config.subnet_of(int(own))
        if around is None:
            return None
        self.process.log(f"DHCPDISCOVER from {mac} via {interface}")
        found = self._choose(mac, around.network)
        if found is None:
            return None
        address, subnet, host = found
        self.process.log(f"DHCPOFFER on {dotted(address)} to {mac} via {interface}")
        self.process.log(f"DHCPREQUEST for {dotted(address)} from {mac} via {interface}")
        self.process.log(f"DHCPACK on {dotted(address)} to {mac} via {interface}")
        return _compose(address, subnet, host, own)

    def _choose(self, mac: str, network: SharedNetwork) -> tuple[int, Subnet, Host | None] | None:
        hosts = [host for host in self.config.hosts if host.mac == mac]
        for host in hosts:
            for address in host.addresses:
                for subnet in network.subnets:
                    if subnet.holds(address):
                        if host.scope.flags["booting"]:
                            return address, subnet, host
                        self.process.log(f"Declining to boot client {host.name}")
                        return None
        return self._choose_dynamic(mac, network, hosts)

    def _choose_dynamic(
        self, mac: str, network: SharedNetwork, hosts: list[Host]
    ) -> tuple[int, Subnet, Host | None] | None:
        taken: dict[str, str] = self.state["dynamic"]
        pool = [
            (address, subnet)
            for subnet in network.subnets
            for low, high in subnet.ranges
            for address in range(low, high + 1)
        ]
        free = [one for one in pool if taken.get(dotted(one[0])) == mac]
        free = free or [one for one in pool if dotted(one[0]) not in taken]
        if not free:
            self.process.log(f"no free leases on subnet {network.name}")
            return None
        address, subnet = free[0]
        host = next((host for host in hosts if not host.addresses), None)
        if host is None and not subnet.scope.flags["unknown-clients"]:
            self.process.log(f"Ignoring unknown client {mac}")
            return None
        taken[dotted(address)] = mac
        return address, subnet, host


def _compose(address: int, subnet: Subnet, host: Host | None, own: IPv4Address) -> Lease:
    scopes = [subnet.scope, *([host.scope] if host else [])]
    options: dict[str, tuple[str, ...]] = {}
    filename, next_server = "", None
    for scope in scopes:
        options |= scope.options
        filename = scope.filename or filename
        next_server = next_server if scope.next_server is None else scope.next_server

    def addresses(name: str) -> tuple[IPv4Address, ...]:
        return tuple(IPv4Address(text) for text in options.get(name, ()))

    netmask = options.get("subnet-mask", (dotted(subnet.netmask),))[0]
    return Lease(
        address=IPv4Interface((address, int(IPv4Address(netmask)).bit_count())),
        next_server=own if next_server is None else IPv4Address(next_server),
        filename=filename[:FILENAME_BYTES],
        host_name="".join(options.get("host-name", ())),
        routers=addresses("routers"),
        dns=addresses("domain-name-servers"),
        domain="".join(options.get("domain-name", ())),
    )


def dhcpd(machine: Machine, call: Call) -> Result:
    words = list(call.argv[1:])
    try:
        line = command_line(words)
    except getopt.GetoptError as error:
        option = f"dhcpd: unknown option -- {error.opt}\n" if error.opt else ""
        return Result(1, "", option + USAGE)
    if line.test:
        outcome = machine.dhcpd.test(words)
    elif call.uid != 0:
        text = "fatal in dhcpd: chroot /var/empty: Operation not permitted\n"
        outcome = Outcome(ok=False, stderr=text)
    else:
        outcome = machine.dhcpd.launch(words)
    return Result(int(not outcome.ok), "", outcome.stderr)


COMMANDS: dict[str, Handler] = {"/usr/sbin/dhcpd": dhcpd}
