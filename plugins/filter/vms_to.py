# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.life import DECISIONS

DOCUMENTATION = r"""
name: vms_to
short_description: Choose the VMs with which something is to be done
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Chooses those VMs that are to be stopped, installed, started and so on, by the state in their VM
    files, by what was asked for, and by what their server shows.
positional: step, verb, found
options:
  _input:
    description: VMs as the inventory plugin gives them to their server.
    type: list
    elements: dict
    required: true
  step:
    description:
      - What is about to be done. V(hold) chooses VMs whose installation goes on or was cut off.
    type: str
    choices: [hold, stop, restore, install, archive, start, rescue, purge]
    required: true
  verb:
    description: What was asked for.
    type: str
    required: true
  found:
    description: What M(puffy.vmm.virtual_machine) found when it looked, by the name of the VM.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Stop VMs that must rest
  puffy.vmm.virtual_machine:
    vms: "{{ vmm_vms | puffy.vmm.vms_to('stop', 'apply', look.found) }}"
    step: stop
"""

RETURN = r"""
_value:
  description: The VMs that were chosen.
  type: list
  elements: dict
"""


def vms_to(
    vms: Sequence[Mapping[str, Any]], step: str, verb: str, found: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """Return those of the VMs with which the step is to be done."""
    if step not in DECISIONS:
        raise AnsibleFilterError(f"puffy.vmm.vms_to: {step!r} is none of {', '.join(DECISIONS)}")
    return [vm for vm in vms if DECISIONS[step](verb, vm, found[vm["name"]])]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"vms_to": vms_to}
