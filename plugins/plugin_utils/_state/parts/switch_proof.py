# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Proves that the server reaches the ports of its switch: it sends packets, and one must arrive.

Two pair(4) interfaces exist for that moment: one is a port of the switch, tcpdump(8) listens
on the other. ping(8) sends to 224.0.0.1, all hosts of the network, with a time to live of 1. So no
address is needed that somebody might have, nothing is routed, and no VM has to run. Whatever
happens, the interfaces are destroyed, and veb(4) forgets a port that is destroyed.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts.ifconfig import ifconfig
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts.link import Link
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.ifconfig import Interface

_ALL_HOSTS: t.Final = "224.0.0.1"
# High numbers, which people do not use by hand, or the next ones below that are free.
_HIGHEST: t.Final = 9999
_SECONDS: t.Final = 15


def steps(title: str, link: Link, links: t.Mapping[str, Interface]) -> t.Iterator[Step]:
    """Yield the steps that prove a switch, for the end of a change of its interfaces or rules."""
    # Switches for which nobody asks for members have no port of the server.
    if link.prove and link.name.startswith("veb") and (link.members or link.flags):
        yield from _proof(title, link.name, link.prove, links)


def _proof(
    title: str, switch: str, address: str, links: t.Mapping[str, Interface]
) -> t.Iterator[Step]:
    far, port = _free_pair(links)
    for name in (far, port):
        yield ifconfig(title, name, ["create"], ["destroy"])
    yield ifconfig(title, far, ["patch", port, "up"])
    yield ifconfig(title, port, ["up"])
    yield ifconfig(title, switch, ["add", port])
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
        yield ifconfig(title, name, ["destroy"])


def _free_pair(links: t.Mapping[str, Interface]) -> tuple[str, str]:
    """Return the two highest free names of pair(4)."""
    numbers = (number for number in range(_HIGHEST, 0, -1) if f"pair{number}" not in links)
    return f"pair{next(numbers)}", f"pair{next(numbers)}"
