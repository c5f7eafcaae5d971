# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Models of OpenBSD's programs: each module exports COMMANDS, a table from path to handler."""
