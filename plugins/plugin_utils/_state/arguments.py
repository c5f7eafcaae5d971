# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The arguments of puffy.vmm.host_state, as an Ansible argument spec."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.resource import Options, list_of
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.registry import RESOURCES

DOCUMENT: t.Final[Options] = {
    "name": {"type": "str"},
    "confirm": {"type": "int"},
    **{resource.OPTION: resource.SPEC for resource in RESOURCES},
}

SPEC: t.Final[Options] = {
    **DOCUMENT,
    "documents": list_of(DOCUMENT),
    "render_to": {"type": "path"},
}
