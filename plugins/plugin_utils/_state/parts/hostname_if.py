# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""hostname.if(5): our lines of it, and what other people's lines say.

netstart(8) gives each line to a shell, so a line is made of names and addresses that were checked.
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
# What stands before a route that is a VM's.
_VM = "# VM "
_WITH_VALUE = ("add", "trunkport", "trunkproto", "vnetid", "parent", "patch")
_ALONE = ("up", "link0", "link1", "link2")
# An address brings its interface up, as autoconf(4) does.
_BRINGS_UP = ("inet", "inet6", "dhcp", "up")


def path(name: str) -> str:
    return f"/etc/hostname.{name}"


def directives(link: Link) -> tuple[Directive, ...]:
    """What a link's file has to say, in the order in which it is to be done."""
    found: list[Directive] = []
    if link.protocol:
        found.append(("trunkproto", link.protocol))
    found.extend(("trunkport", port) for port in link.ports)
    if link.vnetid is not None and link.parent:
        found += [("vnetid", str(link.vnetid)), ("parent", link.parent)]
    if link.patch:
        found.append(("patch", link.patch))
    for address in link.addresses:
        found.append(("inet6" if ":" in address else "inet", address))
    found.extend(("route", route.words(link.name)) for route in link.routes or ())
    found.extend((flag, "") for flag in link.flags)
    found.extend(("add", member) for member in link.members)
    if link.up:
        found.append(("up", ""))
    return tuple(found)


def lines(link: Link, foreign: t.Iterable[str]) -> tuple[str, ...]:
    """Our lines. Of an interface that is somebody else's, only what their lines do not do."""
    if link.retired:
        return ()
    wanted = directives(link)
    if not link.create and wanted == (("up", ""),):
        words = [line.split() for line in foreign if not line.lstrip().startswith("#")]
        up = any(set(_BRINGS_UP) & {*line[:1], *line[-1:]} for line in words)
        return () if up else ("up",)
    whose = {("route", route.words(link.name)): route.vm for route in link.routes or ()}
    found: list[str] = []
    for directive in wanted:
        if whose.get(directive):
            found.append(f"{_VM}{whose[directive]}")
        found += [_line(directive, wanted)] if directive[0] != "parent" else []
    return tuple(found)


def whose(before: t.Iterable[str] | None, after: t.Iterable[str]) -> frozenset[str]:
    """The VMs whose routes alone differ between lines of ours; none where more does."""
    old, new = tuple(before or ()), tuple(after)
    differ = read_all(old) ^ read_all(new)
    vms = vms_of_routes(old) | vms_of_routes(new)
    return frozenset(map(vms.__getitem__, differ)) if differ <= vms.keys() else frozenset()


def vms_of_routes(own: t.Iterable[str] | None) -> dict[Directive, str]:
    """The VM of each route that our lines have, as far as it is one's."""
    found: dict[Directive, str] = {}
    vm = ""
    for line in own or ():
        for directive in read(line) or () if vm else ():
            found[directive] = vm
        vm = line.removeprefix(_VM) if line.startswith(_VM) else ""
    return found


def _line(directive: Directive, wanted: t.Sequence[Directive]) -> str:
    word, value = directive
    if word == "inet":
        # Without alias, it would take the place of an address that somebody else's line set.
        return f"inet alias {value}"
    if word == "inet6":
        address, _slash, length = value.partition("/")
        return f"inet6 alias {address} {length}"
    if word == "route":
        return f"!route -q add {family(value)} {value}"
    if word == "vnetid":
        return f"vnetid {value} parent {dict(wanted)['parent']}"
    return f"{word} {value}".rstrip()


def adopt(parts: Marked, link: Link) -> Marked:
    """Leave out other people's lines that say what ours say, so that no command comes twice."""
    if not link.create and not link.retired:
        return parts
    wanted = {*directives(link), *(("add", member) for member in link.without)}
    if link.retired:
        # Without one of these addresses it is not what had them before.
        said_there = set().union(*(read(line) or () for line in parts.foreign))
        if not wanted & said_there:
            return parts
        wanted.add(("up", ""))

    def kept(text: str) -> str:
        return "".join(
            line
            for line in text.splitlines(keepends=True)
            if not (said := read(line)) or not said <= wanted
        )

    return replace(parts, before=kept(parts.before), after=kept(parts.after))


def family(route: str) -> str:
    """The word of route(8) for a route's family."""
    return "-inet6" if ":" in route.partition(" ")[0] else "-inet"


def read_all(own: t.Iterable[str] | None) -> set[Directive]:
    """What lines of ours say."""
    return {directive for line in own or () for directive in read(line) or ()}


def read(line: str) -> set[Directive] | None:
    """What a line says, or None for a line of which we do not know every word."""
    words = line.split()
    if route := _ROUTE.fullmatch(line.strip()):
        return {("route", route[1])}
    if not words or words[0].startswith("#"):
        return None
    if words[0] in ("inet", "inet6"):
        return _address(words)
    found: set[Directive] = set()
    while words:
        word = words.pop(0)
        if word in _WITH_VALUE and words:
            found.add((word, words.pop(0)))
        elif word in _ALONE:
            found.add((word, ""))
        else:
            return None
    return found


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
