# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The grammars of MAC and IP addresses. All raise Refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import TypeVar

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import as_text
from ansible_collections.puffy.vmm.plugins.module_utils._libraries import netaddr
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, shown

T = TypeVar("T")
P = TypeVar("P", IPv4Interface, IPv6Interface)

MAC_PATTERN = "[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}"
MAC_PREFIX_PATTERN = "[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){3,4}"

_ADDRESS = "[0-9a-fA-F:.]+"
_MULTICAST_BIT = 1 << 40
# Octets may have one digit, as ether_aton(3) and dhcpd(8) read them.
_OCTET = "(?:0x)?0*[0-9a-f]{1,2}"
_ETHER = re.compile(f"{_OCTET}(?::{_OCTET}){{5}}", re.IGNORECASE)


def mac_text(value: int) -> str:
    """Return a MAC in lower case with colons, as the name of a response file has it."""
    return str(netaddr.EUI(value, version=48, dialect=netaddr.mac_unix_expanded))


def ether(text: str) -> str | None:
    """Return a MAC that others wrote, with two digits an octet; None if it is not one."""
    if not _ETHER.fullmatch(text):
        return None
    return ":".join(f"{int(octet, 16):02x}" for octet in text.split(":"))


def mac(value: object) -> str:
    """Return a unicast MAC in lower case."""
    text = _colons(value, MAC_PATTERN, "MAC address", "fe:e1:bb:d1:c8:07")
    address = int(netaddr.EUI(text))
    if address & _MULTICAST_BIT:
        raise Refused(
            f"{shown(text)} is a multicast address; the second digit of a VM's MAC is even"
        )
    if not address:
        raise Refused(f"{shown(text)} is not the address of an interface; use another one")
    return mac_text(address)


def mac_prefix(value: object) -> str:
    """Return the first four or five octets of unicast MACs, in lower case."""
    text = _colons(
        value, MAC_PREFIX_PATTERN, "prefix of MAC addresses", "fe:e1:bb:d1:c8 or fe:e1:bb:d1"
    )
    if int(text[:2], 16) & 1:
        raise Refused(
            f"{shown(text)} begins multicast addresses; the second digit of a VM's MAC is even"
        )
    return text.lower()


def _colons(value: object, pattern: str, noun: str, example: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        raise Refused(
            f"{shown(value)} is not a {noun}; YAML takes digits with colons for a number, so put "
            f"it in quotes"
        )
    text = as_text(value)
    if not re.fullmatch(pattern, text):
        raise Refused(
            f"{shown(text)} is not a {noun}; use two hexadecimal digits per octet and colons, such "
            f"as {example}"
        )
    return text


def address(value: object) -> IPv4Address | IPv6Address:
    """Return an address of either kind."""
    return ipv6(value) if ":" in as_text(value) else ipv4(value)


def ipv4(value: object) -> IPv4Address:
    """Return an IPv4 address."""
    return _parsed(value, IPv4Address, _ADDRESS, "an IPv4 address", "203.0.113.16")


def ipv6(value: object) -> IPv6Address:
    """Return an IPv6 address without a zone."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise Refused(f"{shown(value)} is not an IPv6 address; put it in quotes")
    return _parsed(value, IPv6Address, _ADDRESS, "an IPv6 address", "2001:db8:6::7")


def ipv4_network(value: object) -> IPv4Network:
    """Return an IPv4 network with the length of its prefix."""
    return _interface(value, IPv4Interface, "an IPv4 network", "203.0.113.0/24").network


def ipv6_network(value: object) -> IPv6Network:
    """Return an IPv6 network with the length of its prefix."""
    return _interface(value, IPv6Interface, "an IPv6 network", "2001:db8:6::/64").network


def _interface(value: object, parse: Callable[[str], P], noun: str, example: str) -> P:
    interface = _parsed(value, parse, f"{_ADDRESS}/[0-9]{{1,3}}", noun, example)
    network = interface.network
    if interface.ip != network.network_address:
        raise Refused(f"{shown(value)} is an address in the network {network}; write {network}")
    return interface


def _parsed(value: object, parse: Callable[[str], T], pattern: str, noun: str, example: str) -> T:
    text = as_text(value)
    with suppress(ValueError):
        if re.fullmatch(pattern, text):
            return parse(text)
    raise Refused(f"{shown(text)} is not {noun}; use one such as {example}")
