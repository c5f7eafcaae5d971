# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

DOCUMENTATION = r"""
name: vm_table
short_description: Show VMs with what their server found of them
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Makes a table with one line a VM of what the VM files say and of what the server shows.
positional: found
options:
  _input:
    description: VMs as the inventory plugin gives them to their server.
    type: list
    elements: dict
    required: true
  found:
    description: What M(puffy.vmm.virtual_machine) found when it looked, by the name of the VM.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the VMs
  ansible.builtin.debug:
    msg: "{{ vmm_vms | puffy.vmm.vm_table(look.found) }}"
"""

RETURN = r"""
_value:
  description: The lines of the table, the first with the names of the columns.
  type: list
  elements: str
"""

_HEAD = ("NAME", "WANTED", "IS", "IPV4", "IPV6", "OWNER", "MEMORY", "DISK", "USED")
_MEBIBYTE = 1 << 20


def vm_table(vms: Sequence[Mapping[str, Any]], found: Mapping[str, Any]) -> list[str]:
    """Return the table's lines; columns are as wide as their longest value."""
    rows = [_HEAD, *(_row(vm, found[vm["name"]]) for vm in vms)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    lines = ("  ".join(map(str.ljust, row, widths)) for row in rows)
    return [line.rstrip() for line in lines]


def _row(vm: Mapping[str, Any], look: Mapping[str, Any]) -> tuple[str, ...]:
    shown = "installing" if look["installing"] else look["state"]
    if look["image"] == "blank" and not look["installing"]:
        shown = "not installed"
    values = [vm["ipv4"], vm["ipv6"] or "-", vm["owner"], vm["memory"], vm["disk"]]
    used = f"{look['disk_bytes'] // _MEBIBYTE}M"
    return (vm["name"], vm["state"], shown, *(str(value) for value in values), used)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"vm_table": vm_table}
