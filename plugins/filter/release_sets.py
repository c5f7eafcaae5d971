# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
name: release_sets
short_description: The files of a release that the installer fetches for VMs
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Returns the kernels and sets that OpenBSD's installer selects for the C(sets) of these VMs, by
    its own rules, and the other files that it asks for. A VM has one processor and no C(bsd.mp).
  - The kernels and the set C(base) are always among them.
options:
  _input:
    description: VMs with their C(sets), as C(vmm_vms).
    type: list
    elements: dict
    required: true
  release:
    description: The release, such as V(7.8). Without one there are no names.
    type: string
    required: true
  signed:
    description:
      - Whether the list of the release is signed. The installer then fetches C(BUILDINFO), too.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Show them
  ansible.builtin.debug:
    msg: "{{ vmm_vms | puffy.vmm.release_sets('7.8') }}"
"""

RETURN = r"""
_value:
  description: The names, in the installer's order.
  type: list
  elements: string
  sample: [bsd, bsd.rd, base78.tgz, comp78.tgz, BUILDINFO, INSTALL.amd64]
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._formats.site_archive import release_files
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.server import (
    release as parse_release,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.filter import named, text
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain


@named("release_sets")
def release_sets(value: Any, release: Any, signed: Any = True) -> list[str]:
    vms = plain(value)
    if not isinstance(vms, Iterable) or not all(
        isinstance(vm, Mapping) and "sets" in vm for vm in vms
    ):
        raise ValueError("the input must be a list of VMs with their sets")
    if not text(release, "the release"):
        return []
    number = parse_release(text(release, "the release"))
    return release_files(number, [vm["sets"] for vm in vms], signed=bool(signed))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {"release_sets": release_sets}
