# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
name: site_sets
short_description: The site sets that the installer takes for a VM
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Returns which of C(site78.tgz) and C(site78-NAME.tgz) OpenBSD's installer selects, by its own
    rules. The second is selected by default, the first is not.
options:
  _input:
    description: The VM with its C(hostname) and C(sets), as in C(vmm_vms).
    type: dict
    required: true
  release:
    description: The release, such as V(7.8).
    type: string
    required: true
"""

EXAMPLES = r"""
- name: Show them
  ansible.builtin.debug:
    msg: "{{ vmm_vms | map('puffy.vmm.site_sets', '7.8') }}"
"""

RETURN = r"""
_value:
  description: The names, in the order in which they are installed.
  type: list
  elements: string
  sample: [site78.tgz, site78-web1.tgz]
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._formats.site_archive import (
    selected_sets,
    set_name,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.filter import named, text
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain


@named("site_sets")
def site_sets(value: Any, release: Any) -> list[str]:
    if not isinstance(value, Mapping) or not {"hostname", "sets"} <= set(value):
        raise ValueError("the input must be a VM with its hostname and its sets")
    version = text(release, "the release")
    own = set_name(version, text(value["hostname"], "hostname"))
    return selected_sets([set_name(version), own], [own], plain(value["sets"]))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {"site_sets": site_sets}
