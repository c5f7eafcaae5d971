# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The grammars of server variables that no VM file shares. All raise Refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.address_plan import (
    HIGHEST_NUMBER,
    Address,
    Reserved,
    reserve,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.addresses import (
    MAC_PATTERN,
    ipv4,
    mac,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.images import LONGEST_PATH, PATH
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.interfaces import switch_name
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.names import (
    ACCOUNT_PATTERN,
    HOSTNAME_PATTERN,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import (
    Parse,
    as_text,
    mapping,
    matching,
    part,
    record,
    sequence,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import LIMIT
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.uplink import (
    Uplink,
    interface,
    uplink,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, shown

_EXAMPLE = "{name: backup, interface: veb1}"
_SWITCH_INTERFACE = "(?:veb|bridge)(?:0|[1-9][0-9]{0,4})"
_RELEASE = r"[0-9]{1,2}\.[0-9]"
_SYSCTL_NAME = r"[a-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)+"
_SYSCTL_VALUE = r"[A-Za-z0-9_.,:/+-]{1,255}"


@dataclass(frozen=True)
class Switch:
    """A switch of vm.conf(5) and the bridge(4) or veb(4) that it is.

    uplink leads out, and host_interface is the server's own interface on the switch.
    """

    name: str
    interface: str
    uplink: Uplink | None = None
    host_interface: str | None = None


def switch(value: object) -> dict[str, str]:
    """Return what is given of a switch: name, interface or both."""
    return record(value, _SWITCH_PARSERS, "{name: uplink}")


def switches(value: object) -> tuple[Switch, ...]:
    """Return further switches, each with its name and interface; there may be none."""
    return sequence(value, _whole_switch, f"switches, as in [{_EXAMPLE}]", empty=True)


def _whole_switch(value: object) -> Switch:
    parsers = {**_SWITCH_PARSERS, "uplink": uplink, "host_interface": interface}
    return Switch(**record(value, parsers, _EXAMPLE, required=["name", "interface"]))


def _switch_interface(value: object) -> str:
    return matching(value, _SWITCH_INTERFACE, "is not a switch; use one such as veb0 or bridge0")


_SWITCH_PARSERS: Mapping[str, Parse] = {"name": switch_name, "interface": _switch_interface}


def kernel(value: object) -> str:
    """Return the path of a kernel."""
    pattern = f"(?=.{{1,{LONGEST_PATH}}}$){PATH}"
    return matching(value, pattern, "is not the path of a kernel; use one such as /bsd.rd")


def group(value: object) -> str:
    """Return the name of a group."""
    return matching(
        value,
        ACCOUNT_PATTERN,
        "is not a name for a group; use a-z, 0-9, _ and hyphens, a letter first, at most 31 "
        "characters",
    )


def release(value: object) -> str:
    """Return a release of OpenBSD."""
    return matching(value, _RELEASE, "is not a release of OpenBSD; use one such as 7.8")


def dns_servers(value: object) -> tuple[str, ...]:
    """Return IPv4 addresses, the only ones that dhcpd(8) can hand out."""
    return tuple(map(str, sequence(value, ipv4, "IPv4 addresses, such as [203.0.113.1]")))


def sets_server(value: object) -> str:
    """Return what the installer takes for its question for an HTTP server."""
    text = as_text(value)
    parts = re.fullmatch(r"(?:https?://)?(?:\[([^]]*)\]|([^:\[\]]*))(?::[1-9][0-9]{0,4})?", text)
    bracketed, plain = parts.groups() if parts else (None, "")
    if bracketed is not None:
        valid = ":" in bracketed and _is_address(bracketed)
    else:
        valid = _is_address(plain) or bool(re.fullmatch(HOSTNAME_PATTERN, plain))
    if not valid:
        raise Refused(
            f"{shown(text)} is not a server for sets; use a host name or address, with http:// or "
            f"https:// first and :port last if need be, and no path; an IPv6 address in brackets"
        )
    return text


def sysctl(value: object) -> dict[str, str]:
    """Return sysctl(8) settings as text."""
    settings: dict[str, str] = {}
    options = mapping(value, "names and values")
    for name in sorted(options):
        if not re.fullmatch(_SYSCTL_NAME, name):
            raise Refused(
                f"{shown(name)} is not the name of a sysctl; use one such as "
                f"net.inet.ip.arpq.maxlen"
            )
        settings[name] = part(name, options, _sysctl_value)
    return settings


def _sysctl_value(value: object) -> str:
    return matching(
        value,
        _SYSCTL_VALUE,
        "is not a value for a sysctl; use a number, or letters, digits and _ . , : / + -",
    )


def limit(value: object) -> int:
    """Return a number of bytes."""
    return LIMIT.parse(as_text(value)).bytes


def reserved(value: object) -> Reserved:
    """Return what a list of addresses, ranges, networks, MACs and numbers reserves."""
    expected = "addresses, ranges, networks, MACs and numbers"
    items = sequence(value, _reserved_item, expected, empty=True)
    return reserve(
        (item for item in items if isinstance(item, int)),
        (item for item in items if isinstance(item, str)),
        (item for item in items if isinstance(item, tuple)),
    )


def _reserved_item(value: object) -> int | str | tuple[Address, Address]:
    text = as_text(value)
    if re.fullmatch("[0-9]+", text):
        if len(text) > len(str(HIGHEST_NUMBER)) or not 1 <= int(text) <= HIGHEST_NUMBER:
            raise Refused(
                f"{shown(value)} is not the number of a VM; use one from 1 to {HIGHEST_NUMBER}, "
                f"and put a MAC of digits alone in quotes"
            )
        return int(text)
    if re.fullmatch(MAC_PATTERN, text):
        return mac(text)
    try:
        if "/" in text:
            network: IPv4Network | IPv6Network = ip_network(text)
            return network[0], network[-1]
        first, dash, last = text.partition("-")
        span = ip_address(first.strip(" ")), ip_address((last if dash else first).strip(" "))
    except ValueError:
        raise Refused(
            f"{shown(text)} is not an address, range (203.0.113.20-203.0.113.29), network "
            f"(203.0.113.64/28), MAC or number"
        ) from None
    if span[0].version != span[1].version or int(span[0]) > int(span[1]):
        raise Refused(f"{shown(text)} is not a range; write the lower address first")
    return span


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text
