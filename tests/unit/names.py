# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Names of VMs for hypothesis, made such that none has to be thrown away."""

from __future__ import annotations

from hypothesis import strategies as st

_MORE = r"[A-Za-z0-9_-]"
_PARTS = rf"(\.[A-Za-z0-9]{_MORE}{{0,14}}){{0,2}}"

# Those that begin with a digit may look like numbers of YAML: 1e5, 0x1f, 1_0.
VM_NAMES = st.from_regex(
    rf"([A-Za-z]{_MORE}{{0,30}}|[0-9]{{1,5}}[A-Za-z_-]{_MORE}{{0,24}}){_PARTS}", fullmatch=True
)
