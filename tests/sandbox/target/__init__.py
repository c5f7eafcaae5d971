# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A target for ssh in a separate root directory; a model answers its commands."""
