# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""hostname.if(5): our lines in it, and what other people's lines say.

netstart(8) passes each line to a shell, so our lines consist of names and addresses that were
checked.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts.link import Link
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.ifconfig import canonical
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.marked import Marked

# A word and what it sets: ("add", "vport42"), ("inet", "203.0.113.1/24"), ("up", "").
Directive = tuple[str, str]

_ROUTE = re.compile(r"!route -q add -inet6? (\S+ .+)")
# Comes before a route that belongs to a VM.
_VM = "# VM "
_WITH_VALUE = ("add", "trunkport", "trunkproto", "vnetid", "parent", "patch")
_ALONE = ("up", "link0", "link1", "link2", "-tcplro")
# An address brings its interface up, as autoconf(4) does.
_BRINGS_UP = ("inet", "inet6", "dhcp", "up")


def path(name: str) -> str:
    return f"/etc/hostname.{name}"


def directives(link: Link) -> tuple[Directive, ...]:
    """Return what a link's file has to say, in the order in which it must be done."""
    # netstart(8) puts aggr(4), trunk(4) and vlan(4) into a switch before they lead anywhere. So the
    # switch turns this off for nothing behind them: veb_add_port() of sys/net/if_veb.c.
    result: list[Directive] = [] if link.lro else [("-tcplro", "")]
    if link.protocol:
        result.append(("trunkproto", link.protocol))
    result += [("trunkport", port) for port in link.ports]
    if link.vnetid is not None and link.parent:
        result += [("vnetid", str(link.vnetid)), ("parent", link.parent)]
    if link.patch:
        result.append(("patch", link.patch))
    result += [("inet6" if ":" in address else "inet", address) for address in link.addresses]
    result += [("route", route.words(link.name)) for route in link.routes or ()]
    result += [(flag, "") for flag in link.flags]
    result += [("add", member) for member in link.members]
    if link.up:
        result.append(("up", ""))
    return tuple(result)


def lines(link: Link, foreign: t.Iterable[str]) -> tuple[str, ...]:
    """Return our lines; for an interface of somebody else's, what their lines do not do."""
    if link.retired:
        return ()
    desired = directives(link)
    if not link.create and {*desired} <= {("up", ""), ("-tcplro", "")}:
        words = [line.split() for line in foreign if not line.lstrip().startswith("#")]
        up = any(set(_BRINGS_UP) & {*line[:1], *line[-1:]} for line in words)
        return tuple(word for word, _value in desired if word != "up" or not up)
    whose = {("route", route.words(link.name)): route.vm for route in link.routes or ()}
    own: list[str] = []
    for directive in desired:
        if whose.get(directive):
            own.append(f"{_VM}{whose[directive]}")
        own += [_line(directive, desired)] if directive[0] != "parent" else []
    return tuple(own)


def whose(before: t.Iterable[str] | None, after: t.Iterable[str]) -> frozenset[str]:
    """Return the VMs whose routes differ between lines of ours; none where anything else does."""
    old, new = tuple(before or ()), tuple(after)
    differ = read_all(old) ^ read_all(new)
    vms = vms_of_routes(old) | vms_of_routes(new)
    return frozenset(map(vms.__getitem__, differ)) if differ <= vms.keys() else frozenset()


def vms_of_routes(own: t.Iterable[str] | None) -> dict[Directive, str]:
    """Return the VM of each route in our lines that belongs to one."""
    vms: dict[Directive, str] = {}
    vm = ""
    for line in own or ():
        for directive in read(line) or () if vm else ():
            vms[directive] = vm
        vm = line.removeprefix(_VM) if line.startswith(_VM) else ""
    return vms


def _line(directive: Directive, desired: t.Sequence[Directive]) -> str:
    word, value = directive
    if word == "inet":
        # Without alias, it would replace an address that somebody else's line set.
        return f"inet alias {value}"
    if word == "inet6":
        address, _slash, length = value.partition("/")
        return f"inet6 alias {address} {length}"
    if word == "route":
        return f"!route -q add {family(value)} {value}"
    if word == "vnetid":
        return f"vnetid {value} parent {dict(desired)['parent']}"
    return f"{word} {value}".rstrip()


def adopt(parts: Marked, link: Link) -> Marked:
    """Remove other people's lines that say what ours say, so that no command comes twice."""
    if not link.create and not link.retired:
        return parts
    desired = {*directives(link), *(("add", member) for member in link.without)}
    if link.retired:
        # Without any of these addresses it is not the interface that had them.
        if not desired & read_all(parts.foreign):
            return parts
        desired.add(("up", ""))

    def kept(text: str) -> str:
        return "".join(
            line
            for line in text.splitlines(keepends=True)
            if not (directives := read(line)) or not directives <= desired
        )

    return replace(parts, before=kept(parts.before), after=kept(parts.after))


def family(route: str) -> str:
    """Return the word of route(8) for a route's family."""
    return "-inet6" if ":" in route.partition(" ")[0] else "-inet"


def read_all(own: t.Iterable[str] | None) -> set[Directive]:
    """Return what lines say, as far as we know all of their words."""
    return {directive for line in own or () for directive in read(line) or ()}


def read(line: str) -> set[Directive] | None:
    """Return what a line says, or None for a line of which we do not know every word."""
    words = line.split()
    if route := _ROUTE.fullmatch(line.strip()):
        return {("route", route[1])}
    if not words or words[0].startswith("#"):
        return None
    if words[0] in ("inet", "inet6"):
        return _address(words)
    directives: set[Directive] = set()
    while words:
        word = words.pop(0)
        if word in _WITH_VALUE and words:
            directives.add((word, words.pop(0)))
        elif word in _ALONE:
            directives.add((word, ""))
        else:
            return None
    return directives


def _address(words: list[str]) -> set[Directive] | None:
    family, *rest = [word for word in words if word != "alias"]
    address, *more = rest or [""]
    try:
        if "/" in address and not more:
            return {(family, canonical(address))}
        if len(more) == 1:
            return {(family, canonical(f"{address}/{more[0]}"))}
    except ValueError:
        return None
    return None
