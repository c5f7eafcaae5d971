# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The firmware of VMs, for fw_update(8) on the servers, which verifies it."""

from __future__ import annotations

import re
from pathlib import Path

from openbsd.errors import OpenBSDError
from openbsd.mirror import Mirror, NotThere, Progress
from openbsd.settings import Settings

SIGNED = "SHA256.sig"
_NAMES = re.compile(r"^SHA256 \((vmm-firmware-[A-Za-z0-9._+-]+\.tgz)\) = ", re.MULTILINE)


def path(settings: Settings) -> str:
    """The directory of the firmware as the servers ask for it, with a slash in front."""
    return f"/firmware/{settings.release.name}"


def fetch(settings: Settings, progress: Progress) -> Path:
    """Download what a server asks for, and return the directory that is served to it.

    It is small, and fetched each time. Raises OpenBSDError.
    """
    root = settings.cache / "served"
    directory = root / path(settings).lstrip("/")
    directory.mkdir(parents=True, exist_ok=True)
    mirror = Mirror(settings.firmware_mirror, progress)
    try:
        listed = mirror.fetch(SIGNED, directory).read_text(encoding="utf-8", errors="replace")
        names = _NAMES.findall(listed)
        for name in names:
            mirror.fetch(name, directory)
    except NotThere as error:
        raise OpenBSDError(f"{error}; {_ADVICE}") from error
    if not names:
        raise OpenBSDError(f"{mirror.url}/{SIGNED} names no firmware of vmm(4); {_ADVICE}")
    return root


_ADVICE = (
    "VMs boot from their disks by that firmware: let OPENBSD_FIRMWARE_MIRROR name a directory that "
    "has it"
)
