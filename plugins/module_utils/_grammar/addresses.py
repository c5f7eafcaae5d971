# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The grammars of MAC and IP addresses. All raise Refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeVar

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import as_text
from ansible_collections.puffy.vmm.plugins.module_utils._libraries import netaddr
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, shown

N = TypeVar("N", IPv4Network, IPv6Network)

MAC_PATTERN = "[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}"
MAC_PREFIX_PATTERN = "[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){3,4}"

_MULTICAST_BIT = 1 << 40


def mac_text(value: int) -> str:
    """Return a MAC in lower case with colons, as the name of a response file has it."""
    return str(netaddr.EUI(value, version=48, dialect=netaddr.mac_unix_expanded))


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
            f"{shown(text)} is not a {noun}; use two hexadecimal digits an octet and colons, such "
            f"as {example}"
        )
    return text


def address(value: object) -> IPv4Address | IPv6Address:
    """Return an address of either kind."""
    return ipv6(value) if ":" in as_text(value) else ipv4(value)


def ipv4(value: object) -> IPv4Address:
    """Return an IPv4 address."""
    text = as_text(value)
    try:
        return IPv4Address(text)
    except ValueError:
        raise Refused(
            f"{shown(text)} is not an IPv4 address; use one such as 203.0.113.16"
        ) from None


def ipv6(value: object) -> IPv6Address:
    """Return an IPv6 address without a zone."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise Refused(f"{shown(value)} is not an IPv6 address; put it in quotes")
    text = as_text(value)
    try:
        if "%" in text:
            raise ValueError
        return IPv6Address(text)
    except ValueError:
        raise Refused(
            f"{shown(text)} is not an IPv6 address; use one such as 2001:db8:6::7"
        ) from None


def ipv4_network(value: object) -> IPv4Network:
    """Return an IPv4 network with the length of its prefix."""
    return _network(value, IPv4Network, "IPv4", "203.0.113.0/24")


def ipv6_network(value: object) -> IPv6Network:
    """Return an IPv6 network with the length of its prefix."""
    return _network(value, IPv6Network, "IPv6", "2001:db8:6::/64")


def _network(value: object, make: Callable[[str, bool], N], family: str, example: str) -> N:
    text = as_text(value)
    try:
        if not re.fullmatch("[0-9a-fA-F:.]+/[0-9]{1,3}", text):
            raise ValueError
        loose = make(text, False)
    except ValueError:
        raise Refused(
            f"{shown(text)} is not an {family} network; use one such as {example}"
        ) from None
    if str(loose.network_address) != str(_address_of(text)):
        raise Refused(f"{shown(text)} is an address in the network {loose}; write {loose}")
    return loose


def _address_of(network: str) -> IPv4Address | IPv6Address:
    address = network.partition("/")[0]
    return IPv6Address(address) if ":" in address else IPv4Address(address)
