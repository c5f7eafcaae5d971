# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import sys

from openbsd.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
