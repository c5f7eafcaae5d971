# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""VMs in a table: what their files say, and what their servers show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._formats.columns import aligned
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import Image

_HEAD = tuple("NAME SERVER WANTED IS PENDING IPV4 IPV6 OWNER MEMORY DISK USED".split())


def vm_table(vms: Sequence[Mapping[str, Any]], looks: Mapping[str, Any]) -> list[str]:
    """Return the table's lines, in the order of the VMs, the first with the columns' names.

    `looks` is what virtual_machine saw, by the VM's name; a VM whose server was not reached is not
    in it.
    """
    return aligned([_HEAD, *(_row(vm, looks.get(vm["name"])) for vm in vms)])


def _row(vm: Mapping[str, Any], look: Mapping[str, Any] | None) -> tuple[str, ...]:
    values = [vm["ipv4"], vm["ipv6"] or "-", vm["owner"], vm["memory"], vm["disk"]]
    used = f"{look['disk_bytes'] >> 20}M" if look else "?"
    pending = "restart" if look and look["pending"] else "-"
    state = vm_state(vm, look)
    if look and look["from_cdrom"] and look["running"]:
        state += " from its CD"
    shown = (state, pending, *(str(value) for value in values), used)
    return (vm["name"], vm["server"], vm["state"], *shown)


def vm_state(vm: Mapping[str, Any], look: Mapping[str, Any] | None) -> str:
    """Return what a server shows of a VM in a few words; `look` is None if not reached."""
    if look is None:
        return "not reached"
    if look["installing"]:
        return "installing" if look["running"] else "installation stopped"
    if look["from_cdrom"] and look["running"]:
        return str(look["state"])
    if look["image"] != Image.DATA and look["running"]:
        return "runs without a system"
    if look["archived"]:
        return "archived"
    if look["image"] != Image.DATA:
        return "image missing" if vm["installed"] or vm["seen"] else "not installed"
    return str(look["state"])
