# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""OpenBSD itself in QEMU, as servers to test on: see docs/openbsd.md."""
