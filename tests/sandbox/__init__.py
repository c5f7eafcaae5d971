# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A stand-in for OpenBSD servers on a Linux machine; see README.md of this directory."""
