# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused
from ansible_collections.puffy.vmm.plugins.module_utils._sshfp import (
    absolute_name,
    absolute_zone,
    parse_fragment,
    records,
    render_fragment,
)
from hypothesis import given
from hypothesis import strategies as st

# The example of RFC 7479, and keys that ssh-keygen(1) made, with what its -r says of them.
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS"
ED25519_RECORD = "4 2 a87f1b687ac0e57d2a081a2f282672334d90ed316d2b818ca9580ea384d92401"
