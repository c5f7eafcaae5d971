# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The installer's questions about the network, in their order."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Interface, IPv6Interface

from sandbox.model.installer_dialog import Dialog
from sandbox.model.installer_state import Installed
from sandbox.model.installer_web import GuestNetwork

NIC = "vio0"
NETMASK = "255.255.255.0"
NO_DOMAIN = "my.domain"
LEASE_SECONDS = 1
NO_LEASE_SECONDS = 30


class NetworkQuestions:
    """Asks, and configures the guest's network on the way. `wait` lets seconds pass."""

    def __init__(
        self, dialog: Dialog, network: GuestNetwork, installed: Installed,
        wait: Callable[[float], None],
    ) -> None:  # fmt: skip
        self.dialog = dialog
        self.network = network
        self.installed = installed
        self.wait = wait
        self.by_dhcp = False

    def lease(self) -> bool:
        """Ask for a lease for half a minute."""
        self.wait(LEASE_SECONDS)
        if self.network.ask_for_lease() is not None:
            return True
        self.wait(NO_LEASE_SECONDS - LEASE_SECONDS)
        self.dialog.say(f"No dhcp address on interface {NIC} in 30 seconds.")
        return False

    def run(self) -> None:
        self.network.reset()
        short_name = self.installed.hostname.partition(".")[0]
        self._interfaces(short_name)
        self._ipv4_route()
        self._ipv6_route()
        self._names(short_name)

    def _interfaces(self, short_name: str) -> None:
        default = NIC
        while True:
            self.dialog.say(f"Available network interfaces are: {NIC} vlan0.")
            question = "Network interface to configure? (name, lladdr, '?', or 'done')"
            answer = self.dialog.ask(question, default)
            if answer == "done":
                return
            if answer == "?":
                self.dialog.say(f"    {NIC}: lladdr {self.network.mac}")
                continue
            if answer not in (NIC, self.network.mac, "vlan0"):
                self.dialog.exit(f"'{answer}' is not a valid choice.")
            name = NIC if answer == self.network.mac else answer
            if name == "vlan0":
                self.dialog.ask("Which interface:tag should vlan0 be on?", f"{NIC}:none")
            if self.installed.interfaces and name not in self.installed.interfaces:
                self.dialog.ask(f"Symbolic (host) name for {name}?", short_name)
            ipv4 = self._ipv4(name)
            ipv6 = self._ipv6(name)
            if (ipv4, ipv6) != ("none", "none"):
                self.installed.interfaces[name] = {"ipv4": ipv4, "ipv6": ipv6}
            default = "done"

    def _ipv4(self, name: str) -> str:
        answer = self.dialog.ask(f"IPv4 address for {name}? (or 'autoconf' or 'none')", "autoconf")
        if answer == "none":
            return answer
        if answer in ("a", "autoconf", "dhcp"):
            self.by_dhcp = True
            if name == NIC:
                self.lease()
            return "autoconf"
        if "/" not in answer:
            answer += f"/{self.dialog.ask(f'Netmask for {name}?', NETMASK)}"
        try:
            address = IPv4Interface(answer)
        except ValueError:
            self.dialog.exit(f"ifconfig: {answer}: bad value")
        if name == NIC:
            self.network.addresses.append(address)
        return address.with_prefixlen

    def _ipv6(self, name: str) -> str:
        answer = self.dialog.ask(f"IPv6 address for {name}? (or 'autoconf' or 'none')", "none")
        if answer in ("none", "a", "autoconf"):
            return "none" if answer == "none" else "autoconf"
        if "/" not in answer:
            answer += f"/{self.dialog.ask(f'IPv6 prefix length for {name}?', '64')}"
        try:
            address = IPv6Interface(answer)
        except ValueError:
            self.dialog.exit(f"ifconfig: {answer}: bad value")
        if name == NIC:
            self.network.addresses.append(address)
        return address.with_prefixlen

    def _ipv4_route(self) -> None:
        configured = any(one["ipv4"] != "none" for one in self.installed.interfaces.values())
        if not configured or (self.network.lease and self.network.lease.routers):
            return
        while True:
            answer = self.dialog.ask("Default IPv4 route? (IPv4 address or 'none')")
            if answer == "none":
                return
            if self._add_route(answer):
                return

    def _ipv6_route(self) -> None:
        fixed = {"none", "autoconf"}
        if all(one["ipv6"] in fixed for one in self.installed.interfaces.values()):
            return
        question = "IPv6 default router? (IPv6 address or 'none')"
        answer = self.dialog.answers.respond(question, "none")
        self.dialog.say(f"IPv6 default router? {answer}")
        if answer != "none":
            self._add_route(answer)

    def _add_route(self, gateway: str) -> bool:
        if self.network.add_gateway(gateway):
            self.dialog.say(f"add host default: gateway {gateway}")
            self.installed.gateways.append(gateway)
            return True
        self.dialog.say(f"add host default: gateway {gateway}: Network is unreachable")
        return False

    def _names(self, short_name: str) -> None:
        lease = self.network.lease
        alone = self.by_dhcp and len(self.installed.interfaces) == 1
        domain = self.installed.hostname.partition(".")[2] or NO_DOMAIN
        if alone:
            domain = (lease.domain if lease else "") or domain
            self.dialog.say(f"Using DNS domainname {domain}")
        else:
            domain = self.dialog.ask("DNS domain name? (e.g. 'example.com')", domain)
        self.installed.hostname = f"{short_name}.{domain}"
        servers = self.network.nameservers
        if servers:
            self.dialog.say(f"Using DNS nameservers at {' '.join(servers)}")
            return
        answer = self.dialog.ask("DNS nameservers? (IP address list or 'none')", "none")
        if answer != "none":
            self.network.nameservers = self.installed.nameservers = answer.split()
