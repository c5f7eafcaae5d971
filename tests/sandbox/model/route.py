# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""route(8): the table that follows from the interfaces, and the default routes."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox.call import Result

if TYPE_CHECKING:
    from sandbox.call import Call
    from sandbox.machine import Machine

_GATEWAY, _GATEWAY_LLADDR = "10.0.2.2", "52:55:0a:00:02:02"
_HEAD = "Destination        Gateway            Flags   Refs      Use   Mtu  Prio Iface\n"
_HEAD6 = (
    "Destination                        Gateway                        "
    "Flags   Refs      Use   Mtu  Prio Iface\n"
)


def run(machine: Machine, call: Call) -> Result:
    words = [word for word in call.argv[1:] if word not in ("-n", "-q", "-qn", "-nq", "-v")]
    if not words:
        return Result(1, stderr="usage: route [-dnqtv] [-T rtable] command [[modifiers] args]\n")
    if words[0] == "show":
        return _show(machine, words[1:])
    if words[0] in ("add", "delete", "change"):
        return _change(machine, call, words)
    return Result(0)


def default_routes(machine: Machine) -> dict[str, str]:
    """The gateways by family, inet and inet6."""
    state: dict[str, Any] = machine.subsystem("routes")
    routes: dict[str, str] = state.setdefault("default", {"inet": _GATEWAY})
    return routes


def _change(machine: Machine, call: Call, words: list[str]) -> Result:
    if call.uid != 0:
        return Result(1, stderr="route: must be root to alter routing table\n")
    operands = [word for word in words[1:] if not word.startswith("-")]
    if not operands or operands[0] != "default":
        return Result(0)
    family = "inet6" if "-inet6" in words or ":" in "".join(operands[1:]) else "inet"
    routes = default_routes(machine)
    quiet = any("q" in word for word in call.argv[1:2] if word.startswith("-"))
    gateway = operands[1] if len(operands) > 1 else routes.get(family, "")
    if words[0] == "delete":
        if routes.pop(family, None) is None:
            return Result(
                1, stderr="" if quiet else f"delete host default: gateway {gateway}: not in table\n"
            )
    elif words[0] == "add" and family in routes:
        return Result(
            1, stderr="" if quiet else f"add host default: gateway {gateway}: File exists\n"
        )
    else:
        routes[family] = gateway
    return Result(0, "" if quiet else f"{words[0]} host default: gateway {gateway}\n")


def _show(machine: Machine, options: list[str]) -> Result:
    text = "Routing tables\n"
    if "-inet6" not in options:
        text += f"\nInternet:\n{_HEAD}" + "".join(_inet(machine))
    if "-inet" not in options:
        text += f"\nInternet6:\n{_HEAD6}" + "".join(_inet6(machine))
    return Result(0, text)


class _Route(NamedTuple):
    to: str
    via: str
    flags: str
    iface: str
    refs: int = 0
    use: int = 0
    mtu: str = "-"
    prio: int = 4

    def line(self) -> str:
        head = f"{self.to:<18} {self.via:<18} {self.flags:<6} {self.refs:>5} {self.use:>8} "
        return f"{head}{self.mtu:>5} {self.prio:>5} {self.iface:<5}\n"


def _inet(machine: Machine) -> list[str]:
    lines: list[_Route] = []
    gateway = default_routes(machine).get("inet")
    if gateway:
        lines.append(_Route("default", gateway, "UGS", "vio0", use=4, prio=8))
    lines.append(_Route("224/4", "127.0.0.1", "URS", "lo0", mtu="32768", prio=8))
    for one in machine.network.interfaces.values():
        for text in one.inet if one.up else []:
            address = ipaddress.IPv4Interface(text)
            own, network = str(address.ip), address.network
            if one.name == "lo0":
                lines.append(_Route("127/8", "127.0.0.1", "UGRS", "lo0", mtu="32768", prio=8))
                lines.append(_Route(own, own, "UHhl", "lo0", refs=1, use=2, mtu="32768", prio=1))
                continue
            lines.append(_Route(_short(network), own, "UCn", one.name, refs=2))
            if one.name == "vio0" and gateway == _GATEWAY:
                line = _Route(gateway, _GATEWAY_LLADDR, "UHLch", "vio0", refs=2, use=11, prio=3)
                lines.append(line)
            lines.append(_Route(own, one.lladdr, "UHLl", one.name, use=1, prio=1))
            lines.append(_Route(str(network.broadcast_address), own, "UHb", one.name, prio=1))
    return [one.line() for one in lines]


def _short(network: ipaddress.IPv4Network) -> str:
    """Trailing zero octets that the prefix covers are left out: 10.0.2/24."""
    octets = str(network.network_address).split(".")[: max(1, -(-network.prefixlen // 8))]
    return f"{'.'.join(octets)}/{network.prefixlen}"


def _inet6(machine: Machine) -> list[str]:
    lines = []
    gateway = default_routes(machine).get("inet6")
    if gateway:
        lines.append(_line6("default", gateway, "UGS", "vio0", 8))
    for one in machine.network.interfaces.values():
        for text in one.inet6 if one.up else []:
            address = ipaddress.IPv6Interface(text)
            scope = f"%{one.name}" if address.is_link_local else ""
            own = f"{address.ip}{scope}"
            if one.name != "lo0":
                network = f"{address.network.network_address}{scope}/{address.network.prefixlen}"
                lines.append(_line6(network, own, "UCn", one.name, 4))
            lines.append(_line6(own, one.lladdr or own, "UHLl", one.name, 1))
    return lines


def _line6(to: str, via: str, flags: str, iface: str, prio: int) -> str:
    return f"{to:<34} {via:<30} {flags:<6} {0:>5} {0:>8} {'-':>5} {prio:>5} {iface:<5}\n"
