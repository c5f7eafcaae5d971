# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Plans one network interface: its hostname.if(5) file, and single ifconfig(8) commands.

netstart(8) only adds and reports little of what failed, so what is there is compared with what is
desired, and each difference is a command of its own with a command that undoes it. An interface is
never destroyed, and only what our lines of its file added is removed again.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    EVERYBODYS,
    Change,
    PlanError,
    Step,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.file import File
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts import hostname_if, taps
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts.ifconfig import (
    IFCONFIG,
    ifconfig,
    undoing,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts.link import Link
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text import marked
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.ifconfig import Interface

_PSEUDO: t.Final = ("aggr", "bridge", "enc", "lo", "pflog", "tap", "trunk", "veb", "vether",
                    "vlan", "vport")  # fmt: skip
# ifconfig's words for flags.
_FLAG: t.Final = {"link0": "LINK0", "link1": "LINK1", "link2": "LINK2"}
_MODE: t.Final = "0640"


class LinkPlanner:
    """Compares a link with an interface; `retired` are names of those that give up addresses."""

    def __init__(self, link: Link, out: Planning, retired: t.Collection[str] = ()) -> None:
        self.link = link
        self.retired = retired
        self.out = out
        self.links = out.world.links
        self.title = out.title(link.name)
        self.exists = link.name in self.links
        self.now = self.links.get(link.name, Interface(link.name))
        self.path = hostname_if.path(link.name)
        self.parts = marked.split(self.path, out.text(self.path), out.name)
        self.ours = hostname_if.read_all(self.parts.own)
        # What our lines said before and do not say any more.
        self.gone = self.ours - set(hostname_if.directives(link))

    def file(self) -> None:
        """Plan the hostname.if(5) file with our present lines."""
        parts = hostname_if.adopt(self.parts, self.link)
        earlier = [hostname_if.read(line) or () for line in parts.before.splitlines()]
        addresses = [value for said in earlier for word, value in said if word == "inet"]
        for address in self._before_first([*addresses, *_ipv4(self.link.addresses)]):
            self.out.warn(
                self.path,
                f"gives {self.link.name} the address {address} before {self.link.first_address}, "
                "so after the next boot dhcpd(8) answers VMs from there, which pf(4) drops: move "
                f"that line to the end of the file, as inet alias {address}",
            )
        own = hostname_if.lines(self.link, parts.foreign)
        text = marked.join(replace(parts, own=own), self.out.name)
        if not own and text == self.out.text(self.path):
            return
        facts = self.out.path(self.path)
        # netstart(8) makes files that others can read unreadable for them.
        mode = facts.mode if facts and int(facts.mode, 8) & 0o007 == 0 else _MODE
        content = text.encode("utf-8", "surrogateescape")
        vms = hostname_if.whose(self.parts.own, own)
        self.out.file(File(self.path, content, mode, vms=vms or EVERYBODYS))

    def note(self) -> None:
        """Note what later documents may count on."""
        link, now = self.link, self.now
        gone = {_FLAG[flag] for flag in _FLAG if (flag, "") in self.gone}
        up = {"UP"} if link.up else set()
        members = self._then(now.members, link.members, "add")
        addresses = self._then(now.addresses, link.addresses, "inet", "inet6")
        if link.retired:
            addresses = tuple(text for text in now.addresses if text not in link.addresses)
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

    def _then(self, now: t.Iterable[str], desired: t.Iterable[str], *words: str) -> tuple[str, ...]:
        gone = self._gone(*words)
        return tuple(dict.fromkeys((*(name for name in now if name not in gone), *desired)))

    @property
    def lost(self) -> list[str]:
        """The addresses that it loses; with another netmask, it is the same one for the kernel."""
        kept = {_bare(text) for text in self.link.addresses}
        gone = [text for text in self._gone("inet", "inet6") if text in self.now.addresses]
        return [text for text in gone if _bare(text) not in kept]

    def steps(self) -> t.Iterator[Step]:
        link, now = self.link, self.now
        if link.retired:
            yield from self._retire()
            return
        if not self.exists:
            if not link.create:
                self._missing()
            # Somebody may have put a tap into it since: then it stays.
            unless = {"argv": [IFCONFIG, link.name], "match": r"^\t\S+\ flags="}
            change = Change("create interface", link.name)
            yield self._run(change, ["create"], ["destroy"], unless=unless)
        if not link.lro and "LRO" in now.flags:
            yield self._run(Change("turn off LRO of", link.name), ["-tcplro"], ["tcplro"])
        yield from self._ports()
        vlan = list(self._vlan())
        yield from vlan
        yield from self._patch()
        yield from self._addresses()
        yield from self._members()
        yield from taps.steps(self.title, link, self.links)
        yield from taps.all_in_group(self.title, link, self.links)
        yield from self._flags()
        if link.up and "UP" not in now.flags and not vlan:
            yield self._run(Change("bring up", link.name), ["up"], ["down"])

    def _run(
        self, change: Change, words: t.Sequence[str], *back: t.Sequence[str], **fields: t.Any
    ) -> Step:
        return ifconfig(self.title, self.link.name, words, *back, change=change, **fields)

    def _wait(self, text: str, complaint: str) -> Step:
        """Return a step that checks a change: ifconfig exits with 0 when the kernel refuses."""
        fields = {"argv": [IFCONFIG, self.link.name], "match": [text], "seconds": 2}
        return Step("wait", f"{self.title}: {complaint}", fields)

    def _error(self, text: str) -> PlanError:
        return self.out.error(self.link.name, text)

    def _missing(self) -> t.NoReturn:
        physical = [name for name, link in self.links.items() if link.driver not in _PSEUDO]
        raise self._error(
            f"there is no interface {self.link.name} on this server; it has "
            f"{', '.join(physical) or 'none that leads out'}: correct vmm_uplink"
        )

    def _gone(self, *words: str) -> list[str]:
        """Return the values that our lines gave these words, and do not any more."""
        return [value for word in words for value in sorted(v for w, v in self.gone if w == word)]

    def _ports(self) -> t.Iterator[Step]:
        link, now = self.link, self.now
        if link.protocol and now.protocol != link.protocol:
            back = [["trunkproto", now.protocol]] if now.protocol else []
            change = Change("set the protocol of", link.name, f"to {link.protocol}")
            yield self._run(change, ["trunkproto", link.protocol], *back)
        for port in link.ports:
            if port not in now.ports:
                self._refuse_in_use(port)
                change = Change("make", port, f"a port of {link.name}")
                yield self._run(change, ["trunkport", port], ["-trunkport", port])
        for port in self._gone("trunkport"):
            if port in now.ports:
                change = Change("take the port", port, f"from {link.name}")
                yield self._run(change, ["-trunkport", port], ["trunkport", port])

    def _members(self) -> t.Iterator[Step]:
        link, now = self.link, self.now
        for member in link.members:
            if member not in now.members:
                self._refuse_in_use(member)
                change = Change("put", member, f"into {link.name}")
                yield self._run(change, ["add", member], ["del", member])
        for member in dict.fromkeys((*self._gone("add"), *link.without)):
            if member in now.members:
                change = Change("take", member, f"out of {link.name}")
                yield self._run(change, ["del", member], ["add", member])

    def _refuse_in_use(self, name: str) -> None:
        """Refuse an interface that is elsewhere, or whose addresses the server would lose."""
        for other in self.links.values():
            if name in (*other.ports, *other.members) and other.name != self.link.name:
                raise self._error(
                    f"{name} is in {other.name} already; remove it there first, or name another "
                    "interface"
                )
        interface = self.links.get(name, Interface(name))
        addresses = [text for text in interface.addresses if not text.startswith("fe80")]
        used = f"the address {addresses[0]}" if addresses else ""
        if interface.flags & {"AUTOCONF4", "AUTOCONF6"}:
            used = used or "addresses by autoconf"
        keeps = self.link.name.startswith("bridge") or name.startswith("vport")
        if used and not keeps:
            raise self._error(
                f"{name} has {used}, which the server could not use any more; move that to another "
                "interface first, or put the VMs into a VLAN"
            )

    def _patch(self) -> t.Iterator[Step]:
        """Connect the two ends of a pair(4), if neither is connected to something else."""
        link, now = self.link, self.now
        if link.patch is None or now.patch == link.patch:
            return
        inside = any(now.name in other.members for other in self.links.values())
        for end in (now, self.links.get(link.patch, Interface(link.patch))):
            if end.patch or (end is now and inside):
                where = f"patched to {end.patch}" if end.patch else "in a switch"
                raise self._error(
                    f"{end.name} is {where} already; set vmm_host_interface to another pair(4) "
                    "with an odd number, whose neighbour is free as well"
                )
        change = Change("patch", link.name, f"to {link.patch}")
        yield self._run(change, ["patch", link.patch], ["-patch"])
        complaint = f"the kernel does not connect it to {link.patch}"
        yield self._wait(re.escape(f"patch: {link.patch}") + r"\s", complaint)

    def _retire(self) -> t.Iterator[Step]:
        """Take the addresses from an interface whose place another one takes."""
        ours = {value for word, value in self.ours if word in ("inet", "inet6")}
        gone = [text for text in self.now.addresses if text in {*ours, *self.link.addresses}]
        left = [text for text in self.now.addresses if text not in gone and text[:4] != "fe80"]
        if gone and left:
            raise self._error(
                f"it has the address {left[0]} too, which would be cut off when another interface "
                "takes its place in the switch: move that address first, or keep "
                f"{self.link.name} by vmm_host_interface"
            )
        yield from self._without(gone)

    def _without(self, addresses: t.Iterable[str]) -> t.Iterator[Step]:
        for address in addresses:
            change = Change("take the address", address, f"from {self.link.name}")
            yield self._run(change, _no_address(address), _address(address))

    def _vlan(self) -> t.Iterator[Step]:
        link, now = self.link, self.now
        if link.vnetid is None or link.parent is None:
            return
        if (now.vnetid, now.parent) == (link.vnetid, link.parent):
            return
        for other in self.links.values():
            if (other.vnetid, other.parent) == (link.vnetid, link.parent):
                raise self._error(
                    f"VLAN {link.vnetid} of {link.parent} is {other.name} already; destroy that, "
                    "or name another VLAN in vmm_uplink"
                )
        # The kernel takes another parent only while the interface is down.
        down = ["down"] if "UP" in now.flags else []
        words = [*down, "vnetid", str(link.vnetid), "parent", link.parent, "up"]
        back = []
        if now.vnetid is not None and now.parent:
            up = ["up"] if down else []
            back = [["down", "vnetid", str(now.vnetid), "parent", now.parent, *up]]
        change = Change("put", link.name, f"into VLAN {link.vnetid} of {link.parent}")
        yield self._run(change, words, *back)
        encap = re.escape(f"encap: vnetid {link.vnetid} parent {link.parent} ")
        yield self._wait(encap, "the kernel does not take this VLAN")

    def _addresses(self) -> t.Iterator[Step]:
        """Give and take addresses, and keep the first one of IPv4 the first."""
        link, now = self.link, self.now
        new = [text for text in link.addresses if text not in now.addresses]
        replaced = {_bare(text) for text in new}
        gone = self.lost
        left = [text for text in now.addresses if text not in gone and _bare(text) not in replaced]
        before = self._before_first(_ipv4((*left, *new)))
        steps = [*self._given(new), *self._without(gone), *self._moved(before)]
        old = _ipv4(now.addresses)
        if len(old) > 1 and (before or _ipv4(left) != old):
            # What undoes the first step comes last, when all of them are there again.
            fields = steps[0].fields
            back = undoing(link.name, *map(_address, old))
            steps[0] = replace(steps[0], fields={**fields, "undo": [*fields["undo"], *back]})
        yield from steps

    def _given(self, addresses: t.Iterable[str]) -> t.Iterator[Step]:
        for address in addresses:
            self._refuse_elsewhere(address)
            old = [text for text in self.now.addresses if _bare(text) == _bare(address)]
            back = [_address(text) for text in old] or [_no_address(address)]
            change = Change("give", self.link.name, f"the address {address}")
            yield self._run(change, _address(address), *back)

    def _before_first(self, addresses: t.Sequence[str]) -> t.Sequence[str]:
        """Return those of the IPv4 addresses that come before the one that has to be the first.

        dhcpd(8) answers from the first one (discover_interfaces() of usr.sbin/dhcpd/dispatch.c),
        and a ping to 224.0.0.1 comes from it (in_pcbselsrc() of sys/netinet/in_pcb.c).
        """
        bare = [_bare(text) for text in addresses]
        first = self.link.first_address
        return addresses[: bare.index(first)] if first in bare else ()

    def _moved(self, addresses: t.Iterable[str]) -> t.Iterator[Step]:
        """Give addresses again: in_ifinit() of sys/netinet/in.c moves them to the end."""
        for address in addresses:
            change = Change("move the address", address, f"of {self.link.name} to the end")
            yield self._run(change, _address(address))

    def _refuse_elsewhere(self, address: str) -> None:
        """Refuse an address that another interface has."""
        bare = _bare(address)
        for other in self.links.values() if not bare.startswith("fe80") else ():
            if other.name == self.link.name or other.name in self.retired:
                continue
            if bare in map(_bare, other.addresses):
                raise self._error(
                    f"{other.name} has the address {bare} already; remove it there (and in "
                    f"{hostname_if.path(other.name)}) first"
                )

    def _flags(self) -> t.Iterator[Step]:
        link = self.link
        for flag in link.flags:
            if _FLAG[flag] not in self.now.flags:
                self._refuse_strangers()
                yield self._run(Change("set", f"{flag} of {link.name}"), [flag], [f"-{flag}"])
        for flag in _FLAG:
            if (flag, "") in self.gone and _FLAG[flag] in self.now.flags:
                yield self._run(Change("unset", f"{flag} of {link.name}"), [f"-{flag}"], [flag])

    def _refuse_strangers(self) -> None:
        """Refuse a flag that lets pf(4) see the traffic of somebody unknown."""
        link, now = self.link, self.now
        if link.known is None:
            return
        strangers = {tap.name for tap in taps.strangers(self.links, now.name, link.all_vms)}
        for name in now.members:
            member = self.links.get(name, Interface(name))
            title = f"{name} ({member.description})" if member.description else name
            if name in strangers:
                raise self._error(
                    f"its member {title} belongs to no VM of the fleet, and pf(4) would cut it "
                    "off; give that VM a file, or rules with quick in pf.conf(5) and its name in "
                    "pf_other_vms, or stop it"
                )
            if not (name in link.known or member.driver in ("vport", "tap")):
                raise self._error(
                    f"its member {title} is not one that rules are written for, so pf(4) might cut "
                    "it off; name it in pf_uplinks if it leads out, or remove it"
                )


def _bare(address: str) -> str:
    return address.partition("/")[0]


def _ipv4(addresses: t.Iterable[str]) -> list[str]:
    return [text for text in addresses if ":" not in text]


def _address(address: str) -> list[str]:
    if ":" not in address:
        return ["inet", address, "alias"]
    bare, _slash, length = address.partition("/")
    return ["inet6", bare, "prefixlen", length, "alias"]


def _no_address(address: str) -> list[str]:
    return ["inet6" if ":" in address else "inet", _bare(address), "-alias"]
