# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""All types of resources, in the order in which they are planned within a document."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.resource import Resource
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.accounts import Accounts
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.devices import Devices
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.directories import (
    Directories,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.files import Files
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.firmware import (
    FirmwareFiles,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.groups import Groups
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.images import Images
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.interfaces import (
    Interfaces,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.lines import Lines
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.links import Links
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.marked_lines import (
    MarkedBlocks,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.mirrors import Mirrors
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.pf import PfRules
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.services import Services
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.site_sets import SiteSets
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.sysctls import Sysctls
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.vm_conf import VmConf
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.vmm import Vmm

# The rules of pf(4) come before interfaces: they must be there before a flag shows traffic to pf.
# Services come last, since they read what all others write.
RESOURCES: t.Final[tuple[Resource[t.Any, t.Any], ...]] = (
    Vmm(),
    FirmwareFiles(),
    Interfaces(),
    Groups(),
    Directories(),
    Accounts(),
    Images(),
    Devices(),
    Files(),
    Lines(),
    MarkedBlocks(),
    SiteSets(),
    PfRules(),
    Links(),
    Sysctls(),
    Mirrors(),
    VmConf(),
    Services(),
)

BY_OPTION: t.Final = {resource.OPTION: resource for resource in RESOURCES}
