# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What each VM has in vm.conf(5), dhcpd.conf(5) and the rules of pf(4), to compare two versions."""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ansible_collections.puffy.vmm.plugins.module_utils._formats import dhcpd_conf as dhcpd_format
from ansible_collections.puffy.vmm.plugins.module_utils._formats import vm_conf as vm_conf_format
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import COMMON

_START: t.Final = re.compile(r"^\tstart ([A-Za-z0-9._-]+)\n", re.MULTILINE)

# What belongs to no VM: what all VMs of a server have in common.
REST: t.Final = COMMON

# What the paragraph of a VM begins with in the rules of pf(4).
_VM: t.Final = "# VM "

Blocks = dict[str, object]


def vm_conf(text: str) -> Blocks:
    """Return each VM's block by its name, and the rest. Raises vm_conf_format.Unreadable."""
    conf = vm_conf_format.parse_vm_conf(text)
    blocks: Blocks = {vm.name: vm for vm in conf.vms}
    blocks[REST] = replace(conf, vms=())
    return blocks


def dhcpd_conf(text: str) -> Blocks:
    """Return each VM's hosts by its name, and the rest. Raises dhcpd_format.Unreadable.

    An interface with a network of its own has a host of its own, of the same name.
    """
    conf = dhcpd_format.parse_dhcpd_conf(text)
    hosts: dict[str, list[dhcpd_format.Host]] = {}
    for host in conf.all_hosts:
        hosts.setdefault(host.name, []).append(host)
    blocks: Blocks = {**hosts}
    bare = tuple(replace(subnet, hosts=()) for subnet in conf.subnets)
    blocks[REST] = replace(conf, hosts=(), subnets=bare)
    return blocks


def pf_rules(text: str) -> Blocks:
    """Return each VM's rules by its name, and the rest, without the label that is a digest."""
    blocks: Blocks = {}
    rest: list[str] = []
    for paragraph in text.split("\n\n"):
        head, *lines = paragraph.strip().splitlines() or [""]
        if head.startswith(_VM):
            blocks[head.removeprefix(_VM)] = lines
        else:
            rest += [line for line in (head, *lines) if not line.startswith("match label ")]
    blocks[REST] = rest
    return blocks


def autostart(text: str) -> Blocks:
    """Return each VM that the script starts by its name, and the rest."""
    blocks: Blocks = {match[1]: True for match in _START.finditer(text)}
    blocks[REST] = _START.sub("", text)
    return blocks


# The languages of files in which each VM has a part of its own.
READERS: t.Final[t.Mapping[str, t.Callable[[str], Blocks]]] = {
    "vm.conf": vm_conf,
    "dhcpd.conf": dhcpd_conf,
    "pf.conf": pf_rules,
    "rc.vmm": autostart,
}


class Difference(t.NamedTuple):
    """Names of VMs whose blocks differ, with REST where the rest does; and of those removed."""

    changed: list[str]
    gone: tuple[str, ...] = ()


def difference(language: str, before: bytes, after: bytes) -> Difference:
    """Return how the blocks of a file differ; one that cannot be read differs in its rest."""
    if before == after:
        return Difference([])
    try:
        old, new = (READERS[language](text.decode("utf-8", "replace")) for text in (before, after))
    except ValueError:
        return Difference([REST])
    differ = [name for name in old | new if old.get(name) != new.get(name)]
    return Difference(sorted(differ), tuple(sorted(old.keys() - new.keys())))
