# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Plans network interfaces: their hostname.if(5) files, and single ifconfig(8) commands.

netstart(8) only adds and says little of what failed, so what is there is compared with what is
wanted, and each difference is a command of its own with a command that undoes it. An interface is
never destroyed, and only what our lines of its file put there is taken away again.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace
from types import MappingProxyType

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    EVERYBODYS,
    Change,
    PlanError,
    Step,
    run,
    undo,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer, Questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import (
    Context,
    Options,
    given,
    list_of,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.file import File
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Phase, Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts import (
    hostname_if,
    routes,
    switch_proof,
    taps,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts.link import (
    Link,
    Route,
    Tap,
    check_link,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text import marked
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.ifconfig import Interface, parse
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.routes import Routes
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.routes import (
    parse as parse_routes,
)

_IFCONFIG: t.Final = TOOLS["ifconfig"]
_SECONDS: t.Final = 30
_PSEUDO: t.Final = ("aggr", "bridge", "enc", "lo", "pflog", "tap", "trunk", "veb", "vether",
                    "vlan", "vport")  # fmt: skip
# ifconfig's words for flags.
_FLAG: t.Final = {"link0": "LINK0", "link1": "LINK1", "link2": "LINK2"}
_MODE: t.Final = "0640"


_INTERFACES: t.Final[Options] = list_of(
    {
        "name": {"type": "str", "required": True},
        "create": {"type": "bool", "default": True},
        "up": {"type": "bool", "default": True},
        "vnetid": {"type": "int"},
        "parent": {"type": "str"},
        "protocol": {"type": "str"},
        "ports": {"type": "list", "elements": "str"},
        "addresses": {"type": "list", "elements": "str"},
        "routes": list_of(
            {"to": {"type": "str", "required": True}, "by": {"type": "str"}, "vm": {"type": "str"}}
        ),
        "members": {"type": "list", "elements": "str"},
        "flags": {"type": "list", "elements": "str"},
        "known": {"type": "list", "elements": "str"},
        "other_vms": {"type": "list", "elements": "str"},
        "tap_group": {"type": "str"},
        "patch": {"type": "str"},
        "retired": {"type": "bool", "default": False},
        "without": {"type": "list", "elements": "str"},
        "prove": {"type": "str"},
    }
)

Wanted = tuple[Link, ...]


class Facts(t.NamedTuple):
    """What ifconfig(8) and route(8) show of a server."""

    links: t.Mapping[str, Interface] = MappingProxyType({})
    routes: Routes = MappingProxyType({})


def _given(item: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    found = given(item)
    if "routes" in found:
        found["routes"] = tuple(Route(**given(route)) for route in found["routes"])
    return found


class Links:
    """Interfaces in their order, and the tap(4) interfaces of VMs that belong into them."""

    OPTION: t.ClassVar[str] = "links"
    SPEC: t.ClassVar[Options] = {
        "type": "dict",
        "options": {
            "interfaces": _INTERFACES,
            "switches": {"type": "list", "elements": "dict", "default": []},
            "vms": {"type": "list", "elements": "dict", "default": []},
        },
    }

    def wanted(self, given_value: t.Any, context: Context) -> Wanted:
        inside: dict[str, list[Tap]] = {}
        switches = {switch["name"]: switch["interface"] for switch in given_value["switches"]}
        for vm in given_value["vms"]:
            for place, interface in enumerate(vm["interfaces"]):
                tap = Tap(vm["name"], interface["group"], place)
                inside.setdefault(switches.get(interface["switch"], ""), []).append(tap)
        links = tuple(
            Link(**_given(item), taps=tuple(inside.get(item["name"], ())))
            for item in given_value["interfaces"] or ()
        )
        for link in links:
            check_link(context.name, link)
        return links

    def questions(self, want: Wanted) -> Questions:
        if not want:
            return {}
        paths: list[t.Any] = [{"path": hostname_if.path(link.name), "read": 1} for link in want]
        argv = [_IFCONFIG, "-A"]
        # Nobody else is asked for routes.
        more = [routes.QUESTION] if any(link.routes is not None for link in want) else []
        return {
            "paths": [{"path": "/etc", "hash": 0}, *paths],
            "run": [{"name": "all", "argv": argv}, *more],
        }

    def facts(self, answer: Answer, want: Wanted) -> Facts:
        if not want:
            return Facts()
        listed = answer.runs.get("routes")
        return Facts(
            parse(answer.runs["all"].stdout), parse_routes(listed.stdout if listed else "")
        )

    def plan(self, want: Wanted, facts: Facts, out: Planning) -> None:
        """What makes the interfaces so, in the order of the documents. Raises PlanError."""
        for name, interface in facts.links.items():
            out.world.links.setdefault(name, interface)
        retired = {link.name for link in want if link.retired}
        for link in want:
            planner = _Planner(link, out, retired)
            out.step(Phase.KERNEL, *planner.steps())
            own = planner.parts.own
            out.step(Phase.KERNEL, *routes.steps(planner.title, link, own, facts.routes))
            planner.file()
            _warn(link, out)
            planner.note()
        if out.has_steps(Phase.KERNEL):
            for link in want:
                out.step(Phase.KERNEL, *switch_proof.steps(out.title(link.name), link, facts.links))

    def review(self, want: Wanted, out: Planning) -> None:
        for link in want:
            _Planner(link, out).file()


def _warn(link: Link, out: Planning) -> None:
    """What no command can mend, and what pf(4) does to members of a switch that nobody expects."""
    links = out.world.links
    now = links.get(link.name)
    if now and link.up and not link.create and now.status.startswith("no "):
        out.warn(link.name, f"has {now.status}: look at its cable and its switch")
    if link.known is None or now is None:
        return
    for tap in taps.strangers(links, link.name, _vms(link)):
        what = tap.description or "with no name"
        out.warn(
            link.name,
            f"{tap.name} ({what}) is of no VM of the fleet: no rules are written for it, so it has "
            "no network; give it a VM file, or rules in pf.conf(5) and its name in pf_other_vms, "
            "or stop it",
        )
    for name in now.members:
        one = links.get(name, Interface(name))
        if "link1" in link.flags and one.driver == "vport" and any("." in a for a in one.addresses):
            out.warn(
                link.name,
                f"{name} has an IPv4 address of this server, and with link1 veb(4) of OpenBSD 7.8 "
                "drops every IPv4 packet that the server sends through it: have the role network "
                "put a pair(4) in its place (network_manage: true, and no vmm_host_interface), or "
                "keep pf off the ports (pf_manage: false)",
            )


def _vms(link: Link) -> t.Iterator[str]:
    """The VMs that may be in a switch."""
    yield from (tap.vm for tap in link.taps)
    yield from link.other_vms


class _Planner:
    def __init__(self, link: Link, out: Planning, retired: t.Collection[str] = ()) -> None:
        self.link = link
        self.retired = retired
        self.out = out
        self.links = out.world.links
        self.title = out.title(link.name)
        self.now = self.links.get(link.name)
        self.path = hostname_if.path(link.name)
        self.parts = marked.split(self.path, out.text(self.path), out.name)
        self.ours = hostname_if.read_all(self.parts.own)
        self.wanted = set(hostname_if.directives(link))

    def file(self) -> None:
        """The hostname.if(5) file with our lines of now."""
        parts = hostname_if.adopt(self.parts, self.link)
        own = hostname_if.lines(self.link, parts.foreign)
        text = marked.join(replace(parts, own=own), self.out.name)
        if not own and text == self.out.text(self.path):
            return
        facts = self.out.path(self.path)
        # netstart(8) wants files that others cannot read, and makes them so otherwise.
        mode = facts.mode if facts and int(facts.mode, 8) & 0o007 == 0 else _MODE
        content = text.encode("utf-8", "surrogateescape")
        vms = hostname_if.whose(self.parts.own, own)
        self.out.file(File(self.path, content, mode, vms=vms or EVERYBODYS))

    def note(self) -> None:
        """What later documents may count on."""
        link, now = self.link, self.now or Interface(self.link.name)
        gone = {_FLAG[flag] for flag in _FLAG if (flag, "") in self.ours - self.wanted}
        up = {"UP"} if link.up else set()
        members = self._then(now.members, link.members, "add")
        addresses = self._then(now.addresses, link.addresses, "inet", "inet6")
        if link.retired:
            addresses = tuple(one for one in now.addresses if one not in link.addresses)
        self.links[link.name] = replace(
            now,
            members=tuple(name for name in members if name not in link.without),
            ports=self._then(now.ports, link.ports, "trunkport"),
            addresses=addresses,
            flags=now.flags - gone | up | {_FLAG[flag] for flag in link.flags},
            protocol=link.protocol or now.protocol,
            vnetid=now.vnetid if link.vnetid is None else link.vnetid,
            parent=link.parent or now.parent,
            patch=link.patch or now.patch,
        )
        self.out.makes("interface", link.name)

    def _then(self, now: t.Iterable[str], wanted: t.Iterable[str], *words: str) -> tuple[str, ...]:
        gone = {value for word in words for value in self._gone(word)}
        return tuple(dict.fromkeys((*(one for one in now if one not in gone), *wanted)))

    def steps(self) -> t.Iterator[Step]:
        link = self.link
        if link.retired:
            yield from self._retire()
            return
        if self.now is None and not link.create:
            self._missing()
        is_now = self.now or Interface(link.name)
        if self.now is None and link.create:
            back = undo(_IFCONFIG, link.name, "destroy", timeout=_SECONDS)
            # Somebody may have put a tap into it since: then it stays.
            back["unless"] = {"argv": [_IFCONFIG, link.name], "match": r"^\t\S+\ flags="}
            yield self._run(Change("create interface", link.name), ["create"], [back])
        yield from self._ports(is_now)
        vlan = list(self._vlan(is_now))
        yield from vlan
        yield from self._patch(is_now)
        yield from self._addresses(is_now)
        yield from self._members(is_now)
        yield from taps.steps(self.title, link, self.links)
        yield from taps.all_in_group(self.title, link, self.links)
        yield from self._flags(is_now)
        if link.up and "UP" not in is_now.flags and not vlan:
            yield self._run(Change("bring up", link.name), ["up"], [self._undo("down")])

    def _run(self, change: Change, words: t.Sequence[str], back: list[dict[str, t.Any]]) -> Step:
        argv = [_IFCONFIG, self.link.name, *words]
        return run(self.title, argv, change=change, undo=back, timeout=_SECONDS)

    def _undo(self, *words: str) -> dict[str, t.Any]:
        return undo(_IFCONFIG, self.link.name, *words, timeout=_SECONDS)

    def _missing(self) -> t.NoReturn:
        there = [name for name, one in self.links.items() if one.driver not in _PSEUDO]
        raise PlanError(
            f"{self.title}: there is no interface {self.link.name} on this server; it has "
            f"{', '.join(there) or 'none that leads out'}: correct vmm_uplink"
        )

    def _gone(self, word: str) -> list[str]:
        """What our lines said before and do not say any more."""
        return sorted(value for said, value in self.ours - self.wanted if said == word)

    def _ports(self, now: Interface) -> t.Iterator[Step]:
        link = self.link
        if link.protocol and now.protocol != link.protocol:
            back = [self._undo("trunkproto", now.protocol)] if now.protocol else []
            change = Change("set the protocol of", link.name, f"to {link.protocol}")
            yield self._run(change, ["trunkproto", link.protocol], back)
        for port in link.ports:
            if port in now.ports:
                continue
            self._free(port)
            change = Change("make", port, f"a port of {link.name}")
            yield self._run(change, ["trunkport", port], [self._undo("-trunkport", port)])
        for port in self._gone("trunkport"):
            if port in now.ports:
                change = Change("take the port", port, f"from {link.name}")
                yield self._run(change, ["-trunkport", port], [self._undo("trunkport", port)])

    def _free(self, name: str) -> None:
        """An interface whose addresses the server would lose, or that is elsewhere, is not ours."""
        one = self.links.get(name)
        for other in self.links.values():
            if name in (*other.ports, *other.members) and other.name != self.link.name:
                raise PlanError(
                    f"{self.title}: {name} is in {other.name} already; take it out there first, "
                    f"or name another interface"
                )
        keeps = self.link.name.startswith("bridge") or name.startswith("vport")
        addresses = [text for text in one.addresses if not text.startswith("fe80")] if one else []
        used = f"the address {addresses[0]}" if addresses else ""
        if one and one.flags & {"AUTOCONF4", "AUTOCONF6"}:
            used = used or "addresses by autoconf"
        if used and not keeps:
            raise PlanError(
                f"{self.title}: {name} has {used}, which the server could not use any more; move "
                f"that to another interface first, or put the VMs into a VLAN"
            )

    def _patch(self, now: Interface) -> t.Iterator[Step]:
        """Connects the two ends of a pair(4), if neither is connected to something else."""
        link = self.link
        if link.patch is None or now.patch == link.patch:
            return
        end = self.links.get(link.patch, Interface(link.patch))
        inside = {name for one in self.links.values() for name in one.members}
        for one in (now, end):
            if one.patch or (one is now and one.name in inside):
                where = f"patched to {one.patch}" if one.patch else "in a switch"
                raise PlanError(
                    f"{self.title}: {one.name} is {where} already; set vmm_host_interface to "
                    f"another pair(4) with an odd number, whose neighbour is free as well"
                )
        change = Change("patch", link.name, f"to {link.patch}")
        yield self._run(change, ["patch", link.patch], [self._undo("-patch")])
        # ifconfig exits with 0 when the kernel does not take it.
        said = re.escape(f"patch: {link.patch}") + r"\s"
        fields = {"argv": [_IFCONFIG, link.name], "match": [said], "seconds": 2}
        yield Step("wait", f"{self.title}: the kernel does not connect it to {link.patch}", fields)

    def _retire(self) -> t.Iterator[Step]:
        """Takes the addresses from an interface whose place another one takes."""
        now = self.now or Interface(self.link.name)
        ours = {value for said, value in self.ours if said in ("inet", "inet6")}
        gone = [text for text in now.addresses if text in {*ours, *self.link.addresses}]
        left = [text for text in now.addresses if text not in gone and text[:4] != "fe80"]
        if gone and left:
            raise PlanError(
                f"{self.title}: it has the address {left[0]} too, which would be cut off when "
                f"another interface takes its place in the switch: move that address first, or "
                f"keep {now.name} by vmm_host_interface"
            )
        yield from self._without(now, gone)

    def _without(self, now: Interface, addresses: t.Iterable[str]) -> t.Iterator[Step]:
        for address in addresses:
            back = [self._undo(*_address(address))]
            change = Change("take the address", address, f"from {now.name}")
            yield self._run(change, _no_address(address), back)

    def _vlan(self, now: Interface) -> t.Iterator[Step]:
        link = self.link
        if link.vnetid is None or link.parent is None:
            return
        if (now.vnetid, now.parent) == (link.vnetid, link.parent):
            return
        for other in self.links.values():
            if (other.vnetid, other.parent) == (link.vnetid, link.parent):
                raise PlanError(
                    f"{self.title}: VLAN {link.vnetid} of {link.parent} is {other.name} already; "
                    f"destroy that, or have vmm_uplink name another VLAN"
                )
        # The kernel takes another parent only while the interface is down.
        down = ["down"] if "UP" in now.flags else []
        words = [*down, "vnetid", str(link.vnetid), "parent", link.parent, "up"]
        back = []
        if now.vnetid is not None and now.parent:
            old = ["vnetid", str(now.vnetid), "parent", now.parent, *(["up"] if down else [])]
            back = [self._undo("down", *old)]
        change = Change("put", link.name, f"into VLAN {link.vnetid} of {link.parent}")
        yield self._run(change, words, back)
        # ifconfig exits with 0 when the kernel takes neither.
        said = re.escape(f"encap: vnetid {link.vnetid} parent {link.parent} ")
        fields = {"argv": [_IFCONFIG, link.name], "match": [said], "seconds": 2}
        yield Step("wait", f"{self.title}: the kernel does not take this VLAN", fields)

    def _addresses(self, now: Interface) -> t.Iterator[Step]:
        name = self.link.name
        for address in self.link.addresses:
            if address in now.addresses:
                continue
            self._unused(address)
            bare = address.partition("/")[0]
            old = [text for text in now.addresses if text.partition("/")[0] == bare]
            back = [self._undo(*_address(text)) for text in old] or [
                self._undo(*_no_address(address))
            ]
            yield self._run(Change("give", name, f"the address {address}"), _address(address), back)
        gone = (*self._gone("inet"), *self._gone("inet6"))
        yield from self._without(now, (text for text in gone if text in now.addresses))

    def _unused(self, address: str) -> None:
        bare = address.partition("/")[0]
        if bare.startswith("fe80"):
            return
        for other in self.links.values():
            if other.name == self.link.name or other.name in self.retired:
                continue
            if bare in [text.partition("/")[0] for text in other.addresses]:
                raise PlanError(
                    f"{self.title}: {other.name} has the address {bare} already; take it away "
                    f"there (and in {hostname_if.path(other.name)}) first"
                )

    def _flags(self, now: Interface) -> t.Iterator[Step]:
        link = self.link
        for flag in link.flags:
            if _FLAG[flag] in now.flags:
                continue
            self._all_known(now)
            yield self._run(
                Change("set", f"{flag} of {link.name}"), [flag], [self._undo(f"-{flag}")]
            )
        for flag in _FLAG:
            if (flag, "") in self.ours - self.wanted and _FLAG[flag] in now.flags:
                yield self._run(
                    Change("unset", f"{flag} of {link.name}"), [f"-{flag}"], [self._undo(flag)]
                )

    def _all_known(self, now: Interface) -> None:
        """Where a flag lets pf(4) see traffic, it must not be that of somebody unknown."""
        if self.link.known is None:
            return
        strangers = {one.name for one in taps.strangers(self.links, now.name, _vms(self.link))}
        for name in now.members:
            one = self.links.get(name, Interface(name))
            what = f" ({one.description})" if one.description else ""
            if name in strangers:
                raise PlanError(
                    f"{self.title}: its member {name}{what} is of no VM of the fleet, and pf(4) "
                    f"would cut it off; give that VM a file, or rules with quick in pf.conf(5) and "
                    f"its name in pf_other_vms, or stop it"
                )
            if not (name in self.link.known or one.driver in ("vport", "tap")):
                raise PlanError(
                    f"{self.title}: its member {name}{what} is not one that rules are written for, "
                    f"so pf(4) might cut it off; name it in pf_uplinks if it leads out, or take "
                    f"it out"
                )

    def _members(self, now: Interface) -> t.Iterator[Step]:
        link = self.link
        for member in link.members:
            if member in now.members:
                continue
            self._free(member)
            change = Change("put", member, f"into {link.name}")
            yield self._run(change, ["add", member], [self._undo("del", member)])
        for member in dict.fromkeys((*self._gone("add"), *link.without)):
            if member in now.members:
                change = Change("take", member, f"out of {link.name}")
                yield self._run(change, ["del", member], [self._undo("add", member)])


def _address(address: str) -> list[str]:
    if ":" not in address:
        return ["inet", address, "alias"]
    bare, _slash, length = address.partition("/")
    return ["inet6", bare, "prefixlen", length, "alias"]


def _no_address(address: str) -> list[str]:
    family = "inet6" if ":" in address else "inet"
    return [family, address.partition("/")[0], "-alias"]
