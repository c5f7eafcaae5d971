# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The network as the installer in a guest has it: leases, routes, and what ftp(1) can fetch."""

from __future__ import annotations

import urllib.parse
from ipaddress import IPv4Interface, IPv6Interface
from typing import TYPE_CHECKING

from sandbox.model.network.frames import answers, from_server, interface_behind, ports, stacks
from sandbox.model.network.interfaces import Address, address_of
from sandbox.model.pf.packets import Packet

if TYPE_CHECKING:
    from sandbox.model.dhcpd.dhcpd import Lease
    from sandbox.model.machine import Machine

PHRASES = {301: "Moved Permanently", 400: "Bad Request", 403: "Forbidden", 404: "Not Found"}


class FetchError(Exception):
    """ftp(1) failed; the text is what it wrote. `connected`: there was an answer, but a bad one."""

    def __init__(self, text: str, *, connected: bool = False) -> None:
        super().__init__(text)
        self.connected = connected


class GuestNetwork:
    """One NIC on its segment. Addresses are those set so far."""

    def __init__(self, machine: Machine, tap: str, mac: str) -> None:
        self.machine = machine
        self.tap = tap
        self.mac = mac.lower()
        self.reset()

    def reset(self) -> None:
        self.addresses: list[IPv4Interface | IPv6Interface] = []
        self.lease: Lease | None = None

    def ask_for_lease(self) -> Lease | None:
        """DHCP, up to the point where dhcpleased(8) has set all that the lease says."""
        with self.machine.lock:
            for (count,) in self.machine.faults.arguments("no_lease"):
                left = ("no_lease", str(int(count) - 1)) if int(count) > 1 else None
                self.machine.faults.replace(("no_lease", count), left)
                return None
            offers = (self._offer(name) for name in stacks(self.machine, self.tap))
            self.lease = next((offer for offer in offers if offer is not None), None)
        if self.lease is not None:
            self.addresses.append(self.lease.address)
        return self.lease

    def _offer(self, interface: str) -> Lease | None:
        """What dhcpd(8) sends, by bpf(4) past pf on its own interface, if it comes through."""
        asks = Packet("0.0.0.0", "255.255.255.255", "udp", 68, 67, to_all=True)
        if interface_behind(self.machine, interface) not in ports(self.machine, self.tap, asks):
            return None
        lease = self.machine.dhcpd.lease(self.mac, interface)
        if lease is None:
            return None
        server = self.machine.dhcpd.state["interfaces"][interface]
        offer = Packet(server, str(lease.address.ip), "udp", 67, 68)
        return lease if self.tap in from_server(self.machine, interface, offer, made=True) else None

    def fetch(self, url: str) -> bytes:
        parts = urllib.parse.urlsplit(url)
        name = parts.hostname or ""
        with self.machine.lock:
            if (address := address_of(name)) is None:
                raise FetchError(f"ftp: {name}: no address associated with name")
            client = next(
                (str(own.ip) for own in self.addresses if own.version == address.version), ""
            )
            if not client or not self._reaches(address):
                raise FetchError("ftp: connect: No route to host")
            asks = Packet(client, str(address), "tcp", 40000, parts.port or 80)
            if (to := answers(self.machine, self.tap, asks)) is None:
                raise FetchError("ftp: connect: Operation timed out")
            if parts.scheme != "http":
                raise FetchError("ftp: connect: Connection refused")
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            try:
                reply = self.machine.httpd.answer(
                    to.target, target or "/", host=name, port=to.target_port, client=client
                )
            except ConnectionRefusedError as error:
                raise FetchError("ftp: connect: Connection refused") from error
        if reply.status != 200:
            text = f"ftp: Error retrieving {url}: {reply.status} {PHRASES[reply.status]}"
            raise FetchError(text, connected=True)
        return reply.body

    def _reaches(self, address: Address) -> bool:
        """Whether it is the server's own on the guest's network; other hosts there are none."""
        network = self.machine.network
        names = stacks(self.machine, self.tap)
        near = {interface.ip for name in names for interface in network.addresses(name)}
        return address in near and any(address in interface.network for interface in self.addresses)
