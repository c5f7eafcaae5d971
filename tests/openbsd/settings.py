# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What the environment variables OPENBSD_* ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from openbsd.errors import OpenBSDError
from openbsd.releases import (
    CURRENT_RELEASE,
    Release,
    release,
)

ARCHITECTURE = "amd64"
MIRROR = "https://cdn.openbsd.org/pub/OpenBSD"
# fw_update(8)'s own default.
FIRMWARE = "http://firmware.openbsd.org/firmware"
VERIFY = ("signify", "sha256", "none")
ACCELERATORS = ("auto", "kvm", "tcg")


@dataclass(frozen=True)
class Settings:
    """``mirror``: what is above 7.8/amd64, without a slash at its end. ``memory``: MiB.

    ``firmware_mirror``: the directory with the release's firmware. ``disk``: GiB.
    ``cpu``: a model of QEMU, empty for what suits the accelerator. ``patience``: what all time
    limits are multiplied by.
    """

    mirror: str
    firmware_mirror: str
    release: Release
    verify: str
    accelerator: str
    cpu: str
    memory: int
    cores: int
    disk: int
    patience: float
    cache: Path


def settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings. Raises OpenBSDError that names the variable and what it may be."""
    mirror = _mirror(environment, "OPENBSD_MIRROR", MIRROR)
    release = _release(environment.get("OPENBSD_RELEASE") or CURRENT_RELEASE.name)
    firmware = f"{FIRMWARE if mirror == MIRROR else f'{mirror}/firmware'}/{release.name}"
    return Settings(
        mirror=mirror,
        firmware_mirror=_mirror(environment, "OPENBSD_FIRMWARE_MIRROR", firmware),
        release=release,
        verify=_choice(environment, "OPENBSD_VERIFY", VERIFY),
        accelerator=_choice(environment, "OPENBSD_ACCELERATOR", ACCELERATORS),
        cpu=environment.get("OPENBSD_CPU") or "",
        memory=_number(environment, "OPENBSD_MEMORY", 2048, 256, 1 << 20),
        cores=_number(environment, "OPENBSD_CORES", 1, 1, 64),
        disk=_number(environment, "OPENBSD_DISK", 16, 4, 1 << 10),
        patience=_factor(environment, "OPENBSD_PATIENCE"),
        cache=_cache(environment),
    )


def _mirror(environment: Mapping[str, str], name: str, default: str) -> str:
    url = environment.get(name) or default
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise OpenBSDError(
            f"{name}: {url!r} is not the address of a mirror; it has the form {default}"
        )
    return url.rstrip("/")


def _release(name: str) -> Release:
    try:
        return release(name)
    except ValueError as error:
        raise OpenBSDError(f"OPENBSD_RELEASE: {error}") from error


def _choice(environment: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    choice = environment.get(name) or allowed[0]
    if choice not in allowed:
        raise OpenBSDError(f"{name}: {choice!r} is not one of {', '.join(allowed)}")
    return choice


def _number(environment: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environment.get(name) or str(default)
    if not re.fullmatch("[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise OpenBSDError(f"{name}: {text!r} is not a whole number from {least} to {most}")
    return int(text)


def _factor(environment: Mapping[str, str], name: str) -> float:
    text = environment.get(name) or "1"
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]+)?", text) or not float(text):
        raise OpenBSDError(f"{name}: {text!r} is not a number such as 2 or 0.5")
    return float(text)


def _cache(environment: Mapping[str, str]) -> Path:
    if path := environment.get("OPENBSD_CACHE"):
        return Path(path).absolute()
    return Path(environment.get("HOME") or "~").expanduser() / ".cache/puffy.vmm"
