# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The files of a release that are needed, downloaded and verified."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from openbsd import verify
from openbsd.errors import OpenBSDError
from openbsd.mirror import Mirror, NotThere, Progress
from openbsd.settings import ARCHITECTURE, Settings

LOADER = "pxeboot"
RAMDISK = "bsd.rd"
SIGNED = "SHA256.sig"
PLAIN = "SHA256"
# The installer wants it too once it has a signed list of files.
BUILD_INFO = "BUILDINFO"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Sets:
    """``names``: what is installed. ``signed``: whether SHA256.sig was verified."""

    directory: Path
    release: str
    names: tuple[str, ...]
    signed: bool

    @property
    def path(self) -> str:
        """The directory as the installer asks a server for it, with slashes at both ends."""
        return f"/pub/OpenBSD/{self.release}/{ARCHITECTURE}/"

    def stage(self, target: Path) -> None:
        """Put what a server of VMs needs into a directory; the server writes index.txt itself."""
        target.mkdir(parents=True, exist_ok=True)
        for name, content in self.served().items():
            if isinstance(content, Path):
                (target / name).unlink(missing_ok=True)
                (target / name).symlink_to(content)

    def served(self) -> dict[str, bytes | Path]:
        """Return what the installer may ask for, by name.

        Without a verified signature there is no SHA256.sig, so that the installer asks one
        question about all sets, whatever the mirror has.
        """
        names = [*self.names, *((SIGNED, BUILD_INFO) if self.signed else ())]
        return {name: self.directory / name for name in names} | {"index.txt": self._index()}

    def _index(self) -> bytes:
        # As ls -l prints it: the installer takes the last word of a line. INSTALL.amd64 is never
        # fetched, but its name shows that this is a directory of sets.
        names = (*self.names, f"INSTALL.{ARCHITECTURE}")
        lines = (f"-rw-r--r--  1 0  0  0 Jan  1 00:00:00 2026 {name}\n" for name in names)
        return "".join(lines).encode()


def set_names(settings: Settings) -> tuple[str, ...]:
    """Return the sets of an image: the kernels and base, which is all that a server needs."""
    kernels = ("bsd",) if settings.cores == 1 else ("bsd", "bsd.mp")
    return (*kernels, RAMDISK, settings.release.base_set)


def fetch(settings: Settings, progress: Progress, say: Say) -> Sets:
    """Download and verify what is not there yet. Raises OpenBSDError."""
    mirror = Mirror(f"{settings.mirror}/{settings.release.name}/{ARCHITECTURE}", progress)
    directory = _directory(settings)
    directory.mkdir(parents=True, exist_ok=True)
    known = _checksums(settings, mirror, directory, say)
    names = set_names(settings)
    signed = settings.verify == "signify"
    extra = (BUILD_INFO,) if signed else ()
    for name in (LOADER, *names, *extra):
        _fetch(settings, mirror, directory / name, known, say)
    return Sets(directory, settings.release.name, names, signed)


def _directory(settings: Settings) -> Path:
    """Files of different mirrors are kept apart, since nothing may tell that they differ."""
    mirror = hashlib.sha256(settings.mirror.encode()).hexdigest()[:12]
    return settings.cache / "mirrors" / mirror / settings.release.name / ARCHITECTURE


def _checksums(settings: Settings, mirror: Mirror, directory: Path, say: Say) -> dict[str, str]:
    if settings.verify == "signify":
        signed = mirror.fetch(SIGNED, directory).read_bytes()
        try:
            return verify.checksums(verify.message(signed, settings.release.signify_key))
        except OpenBSDError as error:
            raise OpenBSDError(
                f"{mirror.url}/{SIGNED} {error}; a mirror of your own can be used with "
                "OPENBSD_VERIFY=sha256 or none"
            ) from error
    try:
        return verify.checksums(mirror.fetch(PLAIN, directory).read_bytes())
    except NotThere as error:
        if settings.verify == "sha256":
            raise
        say(f"{error}; nothing is verified")
        return {}


def _fetch(settings: Settings, mirror: Mirror, path: Path, known: dict[str, str], say: Say) -> None:
    """Download a file unless what is there has the right checksum; twice if need be.

    A mirror that is being updated has new checksums and old files, or the other way round.
    """
    if settings.verify != "none" and path.name not in known:
        raise OpenBSDError(f"{mirror.url}: its list of checksums has no {path.name}")
    for _ in range(2):
        if path.exists() and verify.matches(path, known):
            return
        path.unlink(missing_ok=True)
        try:
            mirror.fetch(path.name, path.parent)
        except NotThere as error:
            if path.name != "bsd.mp":
                raise
            raise OpenBSDError(f"{error}; without it, OPENBSD_CORES must be 1") from error
        if settings.verify == "none":
            if known and not verify.matches(path, known):
                say(f"{path.name} does not match the mirror's checksum; it is used anyway")
            return
    if not verify.matches(path, known):
        raise OpenBSDError(
            f"{mirror.url}/{path.name} has not the checksum that the mirror's list has: "
            f"{verify.sha256(path)} instead of {known[path.name]}"
        )
