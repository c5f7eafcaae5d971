# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Attributes that the modules of this collection share; a module says what differs."""

from __future__ import annotations


class ModuleDocFragment:
    """`puffy.vmm.attributes`; after `.no_diff` for modules that show no differences."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and show what would change without changing it.
    support: full
  diff_mode:
    description: Shows how files would change, but not the content of secret ones.
    support: full
  idempotent:
    description: Changes nothing when it is run again.
    support: full
"""

    NO_DIFF = r"""
options: {}
attributes:
  diff_mode:
    description: Shows no differences.
    support: none
"""
