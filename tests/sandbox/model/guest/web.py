# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The network as the installer in a guest has it: leases, routes, and what ftp(1) can fetch."""

from __future__ import annotations

import urllib.parse
from ipaddress import IPv4Interface, IPv6Interface
from typing import TYPE_CHECKING

from sandbox.model.network.frames import answers, from_server, port_before, ports, stacks
from sandbox.model.network.names import Address, address_of, lookup
from sandbox.model.pf.packets import Packet

if TYPE_CHECKING:
    from sandbox.model.dhcpd.dhcpd import Lease
    from sandbox.model.machine import Machine

REDIRECTS = 10
PHRASES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    500: "Internal Server Error",
}


class FetchError(Exception):
    """ftp(1) failed; the text is what it wrote. `connected`: there was an answer, but a bad one."""

    def __init__(self, text: str, *, connected: bool = False) -> None:
        super().__init__(text)
        self.connected = connected


class GuestNetwork:
    """One NIC on its segment. Addresses and gateways are those set so far."""

    def __init__(self, machine: Machine, tap: str, mac: str) -> None:
        self.machine = machine
        self.tap = tap
        self.mac = mac.lower()
        self.reset()

    def reset(self) -> None:
        self.addresses: list[IPv4Interface | IPv6Interface] = []
        self.gateways: list[Address] = []
        self.nameservers: list[str] = []
        self.lease: Lease | None = None

    def ask_for_lease(self) -> Lease | None:
        """DHCP, up to the point where dhcpleased(8) has set all that the lease says."""
        with self.machine.lock:
            for (count,) in self.machine.faults.arguments("no_lease"):
                left = ("no_lease", str(int(count) - 1)) if int(count) > 1 else None
                self.machine.faults.replace(("no_lease", count), left)
                return None
            offers = (self._offer(name) for name in stacks(self.machine, self.tap))
            self.lease = next((one for one in offers if one is not None), None)
        if self.lease is not None:
            self.addresses.append(self.lease.address)
            self.gateways += self.lease.routers[:1]
            self.nameservers += [str(one) for one in self.lease.dns]
        return self.lease

    def _offer(self, interface: str) -> Lease | None:
        """What dhcpd(8) sends, by bpf(4) past pf on its own interface, if it comes through."""
        asks = Packet("0.0.0.0", "255.255.255.255", "udp", 68, 67, to_all=True)
        if port_before(self.machine, interface) not in ports(self.machine, self.tap, asks):
            return None
        lease = self.machine.dhcpd.lease(self.mac, interface)
        if lease is None:
            return None
        server = self.machine.dhcpd.state["interfaces"][interface]
        offer = Packet(server, str(lease.address.ip), "udp", 67, 68)
        return lease if self.tap in from_server(self.machine, interface, offer, made=True) else None

    def is_local(self, address: Address) -> bool:
        """Whether the address is on a network of the guest's own."""
        return any(address in one.network for one in self.addresses)

    def add_gateway(self, text: str) -> bool:
        """route(8) takes a default router only if it can be reached."""
        address = address_of(text)
        if address is None or not (self.is_local(address) or address.is_link_local):
            return False
        self.gateways.append(address)
        return True

    def fetch(self, url: str) -> bytes:
        for _ in range(REDIRECTS):
            status, body, location = self._get(url)
            if status in (301, 302, 303, 307, 308) and location:
                url = urllib.parse.urljoin(url, location)
                continue
            if status != 200:
                phrase = f"{status} {PHRASES.get(status, 'Unknown Error')}"
                raise FetchError(f"ftp: Error retrieving {url}: {phrase}", connected=True)
            return body
        raise FetchError("ftp: Too many redirections requested")

    def _get(self, url: str) -> tuple[int, bytes, str]:
        parts = urllib.parse.urlsplit(url)
        name = parts.hostname or ""
        with self.machine.lock:
            address = self._resolve(name)
            client = next(
                (str(one.ip) for one in self.addresses if one.version == address.version), ""
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
                found = self.machine.httpd.answer(
                    to.target, target or "/", host=name, port=to.target_port, client=client
                )
            except ConnectionRefusedError as error:
                raise FetchError("ftp: connect: Connection refused") from error
        return found.status, found.body, found.uri

    def _resolve(self, name: str) -> Address:
        literal = address_of(name)
        if literal is not None:
            return literal
        found = lookup(self.machine, name) if self.nameservers else []
        if not found:
            raise FetchError(f"ftp: {name}: no address associated with name")
        return found[0]

    def _reaches(self, address: Address) -> bool:
        """Whether packets come to one of the server's own addresses; other hosts there are none."""
        network = self.machine.network
        if not network.own(str(address)):
            return False
        near = {
            one.ip for name in stacks(self.machine, self.tap) for one in network.addresses(name)
        }
        if self.is_local(address):
            return address in near
        gateways = [one for one in self.gateways if one.version == address.version]
        # A router that is not the server stands for the world, which knows the way back.
        return any(one in near or not network.own(str(one)) for one in gateways)
