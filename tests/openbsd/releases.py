# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The releases of OpenBSD that are supported, and all that differs between them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Release:
    """``signify_key``: the base64 line of /etc/signify/openbsd-XY-base.pub, see signify(1)."""

    name: str
    signify_key: str

    @property
    def digits(self) -> str:
        """The release as names of files have it: base78.tgz."""
        return self.name.replace(".", "")

    @property
    def base_set(self) -> str:
        return f"base{self.digits}.tgz"


# Oldest first.
RELEASES = (
    Release("7.8", "RWS3/nvFmk4SWSmt/5QIk9yB4+uoAGoiYvFhVlDQBG3rWENeeIys0LWB"),
    Release("7.9", "RWTSdNN9A3yvWNn7mUjXwv9DOCOUnyfuV+mq1iGPIfD+NhN8EYnEQ1at"),
)

CURRENT_RELEASE = RELEASES[-1]


def release(name: str) -> Release:
    """Return the release called ``name``. Raises ValueError that names those there are."""
    for release in RELEASES:
        if release.name == name:
            return release
    names = ", ".join(release.name for release in RELEASES)
    raise ValueError(f"{name!r} is not a supported release; there are: {names}")
