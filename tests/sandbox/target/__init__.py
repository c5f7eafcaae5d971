# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A target for ssh in a root directory of its own; what answers its commands is a model's."""
