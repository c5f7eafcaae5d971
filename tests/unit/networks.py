# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A server with several networks."""

from __future__ import annotations

LAN: dict[str, object] = {
    "name": "lan",
    "ipv4_network": "203.0.113.0/28",
    "ipv4_gateway": "203.0.113.1",
}
MORE: dict[str, object] = {
    "name": "more",
    "ipv4_network": "203.0.113.64/29",
    "ipv4_gateway": "203.0.113.1",
}
DMZ: dict[str, object] = {
    "name": "dmz",
    "ipv4_network": "198.51.100.0/24",
    "ipv4_gateway": "198.51.100.1",
    "switch": "dmz",
}
INSIDE: dict[str, object] = {
    "name": "inside",
    "ipv4_network": "10.0.0.0/24",
    "ipv4_gateway": "10.0.0.1",
    "ipv6_network": "2001:db8:6::/64",
    "ipv6_gateway": "2001:db8:6::1",
    "ipv6_prefixes": "2001:db8:100::/40",
}


def edge(networks: object, **changes: object) -> dict[str, object]:
    """Return the variables of a server with these networks and changes; None takes one out."""
    settings: dict[str, object] = {
        "mac_prefix": "fe:e1:bb:d1:c8",
        "domain": "example.org",
        "dns_servers": ["192.0.2.53"],
        "switches": [{"name": "dmz", "interface": "veb1"}],
        "networks": networks,
        **changes,
    }
    return {f"vmm_{name}": value for name, value in settings.items() if value is not None}
