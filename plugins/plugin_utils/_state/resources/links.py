# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Network interfaces: their hostname.if(5) files, and what the kernel has of them."""

from __future__ import annotations

import typing as t
from types import MappingProxyType

from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer, Questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import (
    Context,
    Options,
    declared,
    list_of,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.file import edited
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Phase, Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts import (
    hostname_if,
    routes,
    switch_proof,
    taps,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts.ifconfig import IFCONFIG
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts.link import (
    Link,
    Route,
    Tap,
    check_link,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts.link_planner import LinkPlanner
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.ifconfig import Interface, parse
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.routes import Routes
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.routes import (
    parse as parse_routes,
)

_INTERFACES: t.Final[Options] = list_of(
    {
        "name": {"type": "str", "required": True},
        "create": {"type": "bool", "default": True},
        "up": {"type": "bool", "default": True},
        "lro": {"type": "bool", "default": True},
        "vnetid": {"type": "int"},
        "parent": {"type": "str"},
        "protocol": {"type": "str"},
        "ports": {"type": "list", "elements": "str"},
        "addresses": {"type": "list", "elements": "str"},
        "first_address": {"type": "str"},
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

Desired = tuple[Link, ...]


class Facts(t.NamedTuple):
    """What ifconfig(8) and route(8) show of a server."""

    links: t.Mapping[str, Interface] = MappingProxyType({})
    routes: Routes = MappingProxyType({})


def _declared(item: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    fields = declared(item)
    if "routes" in fields:
        fields["routes"] = tuple(Route(**declared(route)) for route in fields["routes"])
    return fields


class Links:
    """Interfaces in their order, and the tap(4) interfaces of VMs that belong in them."""

    OPTION: t.ClassVar[str] = "links"
    SPEC: t.ClassVar[Options] = {
        "type": "dict",
        "options": {
            "interfaces": _INTERFACES,
            "switches": {"type": "list", "elements": "dict", "default": []},
            "vms": {"type": "list", "elements": "dict", "default": []},
        },
    }

    def desired(self, options: t.Any, context: Context) -> Desired:
        inside: dict[str, list[Tap]] = {}
        switches = {switch["name"]: switch["interface"] for switch in options["switches"]}
        for vm in options["vms"]:
            for place, interface in enumerate(vm["interfaces"]):
                tap = Tap(vm["name"], interface["group"], place)
                inside.setdefault(switches.get(interface["switch"], ""), []).append(tap)
        links = tuple(
            Link(**_declared(item), taps=tuple(inside.get(item["name"], ())))
            for item in options["interfaces"] or ()
        )
        for link in links:
            check_link(context.name, link)
        return links

    def questions(self, desired: Desired) -> Questions:
        if not desired:
            return {}
        with_routes = any(link.routes is not None for link in desired)
        return {
            "paths": edited(hostname_if.path(link.name) for link in desired),
            "run": [
                {"name": "all", "argv": [IFCONFIG, "-A"]},
                *([routes.QUESTION] if with_routes else []),
            ],
        }

    def facts(self, answer: Answer, desired: Desired) -> Facts:
        if not desired:
            return Facts()
        listed = answer.runs.get("routes")
        return Facts(
            parse(answer.runs["all"].stdout), parse_routes(listed.stdout if listed else "")
        )

    def plan(self, desired: Desired, facts: Facts, out: Planning) -> None:
        """Plan the interfaces in the order of the document. Raises PlanError."""
        for name, interface in facts.links.items():
            out.world.links.setdefault(name, interface)
        retired = {link.name for link in desired if link.retired}
        before: set[str] = set()
        again: set[str] = set()
        for link in desired:
            planner = LinkPlanner(link, out)
            own = planner.parts.own
            ours = routes.ours(own)
            before |= ours
            # The kernel deletes an address with its routes: rt_ifa_purge() of sys/net/route.c.
            families = {hostname_if.family(text) for text in planner.lost}
            again |= {words for words in ours if hostname_if.family(words) in families}
            gone = routes.deletions(out.title(link.name), link, own, facts.routes, again)
            out.step(Phase.KERNEL, *gone)
        for link in desired:
            planner = LinkPlanner(link, out, retired)
            out.step(Phase.KERNEL, *planner.steps())
            added = routes.additions(out.title(link.name), link, before, facts.routes, again)
            out.step(Phase.KERNEL, *added)
            planner.file()
            _warn(link, out)
            planner.note()
        if out.has_steps(Phase.KERNEL):
            for link in desired:
                out.step(Phase.KERNEL, *switch_proof.steps(out.title(link.name), link, facts.links))

    def review(self, desired: Desired, out: Planning) -> None:
        for link in desired:
            LinkPlanner(link, out).file()


def _warn(link: Link, out: Planning) -> None:
    """Warn of what no command can repair, and of what pf(4) unexpectedly does to members."""
    links = out.world.links
    now = links.get(link.name)
    if now and link.up and not link.create and now.status.startswith("no "):
        out.warn(link.name, f"has {now.status}: look at its cable and its switch")
    if link.known is None or now is None:
        return
    for tap in taps.strangers(links, link.name, link.all_vms):
        out.warn(
            link.name,
            f"{tap.name} ({tap.description or 'with no name'}) belongs to no VM of the fleet: no "
            "rules are written for it, so it has no network; give it a VM file, or rules in "
            "pf.conf(5) and its name in pf_other_vms, or stop it",
        )
    for name in now.members:
        member = links.get(name, Interface(name))
        has_ipv4 = any("." in address for address in member.addresses)
        if "link1" in link.flags and member.driver == "vport" and has_ipv4:
            out.warn(
                link.name,
                f"{name} has an IPv4 address of this server, and with link1 veb(4) of OpenBSD 7.8 "
                "drops every IPv4 packet that the server sends through it: have the role network "
                "put a pair(4) in its place (network_manage: true, and no vmm_host_interface), or "
                "keep pf off the ports (pf_manage: false)",
            )
