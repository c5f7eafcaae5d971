# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The archive that is published, as those see it who import it and build images with it."""
