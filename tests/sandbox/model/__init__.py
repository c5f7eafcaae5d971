# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The commands and daemons of OpenBSD that the stand-in server knows."""
