# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Proves that the server reaches the ports of its switch: it sends a packet, and one must arrive.

Two pair(4) interfaces are there for that moment: one is a port of the switch, tcpdump(8) listens
on the other. ping(8) sends to 224.0.0.1, all hosts of the network, with a time to live of 1. So no
address is needed that could be somebody's, nothing is routed, and no VM has to run. Whatever
happens, the interfaces go, and veb(4) forgets a port that goes.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step, run, undo
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts.link import Link
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.ifconfig import Interface

_IFCONFIG: t.Final = TOOLS["ifconfig"]
_ALL_HOSTS: t.Final = "224.0.0.1"
# High numbers, which people do not use by hand; the next ones below where they are taken.
_HIGHEST: t.Final = 9999
_SECONDS: t.Final = 15
_COMMAND_SECONDS: t.Final = 30


def steps(title: str, link: Link, links: t.Mapping[str, Interface]) -> t.Iterator[Step]:
    """The steps that prove a switch, for the end of a change of its interfaces or rules."""
    # Switches without a member that is wanted here have no port of the server's.
    if link.prove and link.name.startswith("veb") and (link.members or link.flags):
        yield from _proof(title, link.name, link.prove, links)


def _proof(
    title: str, switch: str, address: str, links: t.Mapping[str, Interface]
) -> t.Iterator[Step]:
    far, port = _free_pair(links)
    for name in (far, port):
        back = undo(_IFCONFIG, name, "destroy", timeout=_COMMAND_SECONDS)
        yield run(title, [_IFCONFIG, name, "create"], undo=[back], timeout=_COMMAND_SECONDS)
    for words in ((far, "patch", port, "up"), (port, "up"), (switch, "add", port)):
        yield run(title, [_IFCONFIG, *words], timeout=_COMMAND_SECONDS)
    ping = ["-n", "-q", "-c", "1", "-w", "1", "-t", "1", "-I", address, _ALL_HOSTS]
    hears = ["-l", "-n", "-c", "1", "-i", far]
    hears += ["icmp", "and", "src", "host", address, "and", "dst", "host", _ALL_HOSTS]
    yield Step(
        "hear",
        f"{title}: the server's own packets do not reach the ports of the switch",
        {
            "argv": [TOOLS["tcpdump"], *hears],
            "send": {"argv": [TOOLS["ping"], *ping]},
            "match": re.escape(f"{address} > {_ALL_HOSTS}"),
            "seconds": _SECONDS,
        },
    )
    for name in (port, far):
        yield run(title, [_IFCONFIG, name, "destroy"], timeout=_COMMAND_SECONDS)


def _free_pair(links: t.Mapping[str, Interface]) -> tuple[str, str]:
    """The two highest names of pair(4) that nothing has."""
    numbers = (number for number in range(_HIGHEST, 0, -1) if f"pair{number}" not in links)
    return f"pair{next(numbers)}", f"pair{next(numbers)}"
