# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Site sets as archives: the same files always make the same bytes.

OpenBSD's tar(1) takes names of owners before their numbers, and applies entries of directories to
directories that exist already, so an archive has neither names nor directories (bin/pax).
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, shown

FILE_MODE = 0o644
PROGRAM_MODE = 0o755

# 2000-01-01 UTC: any fixed time will do, but some programs take 1970 for no time at all.
_MTIME = 946_684_800

_PART = re.compile(r"[A-Za-z0-9._+@:,=%~#-]+")

_KERNELS = ("bsd", "bsd.rd")
_SETS = ("base", "comp", "man", "game", "xbase", "xshare", "xfont", "xserv")
_NOTES = "INSTALL.amd64"


@dataclass(frozen=True)
class Entry:
    """A file, or a symbolic link where link is its target."""

    content: bytes = b""
    mode: int = FILE_MODE
    link: str | None = None


def checked_path(path: str) -> str:
    """Return the path of an entry, relative to the root of the new system. Raises Refused."""
    for part in path.split("/"):
        if not _PART.fullmatch(part) or part in (".", ".."):
            raise Refused(
                f"{shown(part)} is not a name for a file in a site set; use letters, digits and "
                f"any of . _ - + @ : , = % ~ #"
            )
    return path


def checked_link(path: str, target: str) -> str:
    """Return the target of a link that stays in the set. Raises Refused."""
    depth = path.count("/")
    for part in target.split("/"):
        depth += -1 if part == ".." else 0 if part in (".", "") else 1
        if target.startswith("/") or depth < 0:
            raise Refused(
                f"is a link to {shown(target)}, which leads out of the site set; use a relative "
                f"one within it, or make the link in install.site.local"
            )
    return target


def pack(entries: Iterable[tuple[str, Entry]]) -> bytes:
    """Return a gzip-compressed ustar archive of these paths. Raises Refused."""
    packed = io.BytesIO()
    with tarfile.TarFile(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, entry in sorted(entries, key=lambda item: item[0]):
            member = tarfile.TarInfo(path)
            member.mtime = _MTIME
            member.mode = entry.mode
            if entry.link is not None:
                member.type = tarfile.SYMTYPE
                member.linkname = entry.link
            member.size = len(entry.content)
            try:
                archive.addfile(member, io.BytesIO(entry.content))
            except ValueError as error:
                raise Refused(
                    f"{shown(path)} does not fit into a ustar archive: {error}; shorten the names"
                ) from None
    compressed = io.BytesIO()
    # Without a name and a time in the header, as gzip -n makes it.
    with gzip.GzipFile(filename="", mode="wb", fileobj=compressed, mtime=0) as stream:
        stream.write(packed.getvalue())
    return compressed.getvalue()


def short_name(hostname: str) -> str:
    """Return what hostname(1) -s says, by which the installer looks for a VM's own set."""
    return hostname.partition(".")[0]


def set_name(release: str, hostname: str = "") -> str:
    """Return the name of the site set of a release such as 7.8, or of one VM's own."""
    version = release.replace(".", "")
    return f"site{version}-{short_name(hostname)}.tgz" if hostname else f"site{version}.tgz"


def selected_sets(
    available: Iterable[str], selected: Iterable[str], patterns: Iterable[str]
) -> list[str]:
    """Return the sets that the installer takes: selected, and what the patterns add and remove.

    See select_sets() and install_files() of install.sub, which leave the order as it is.
    """
    sets = list(available)
    chosen = set(selected)
    for pattern in patterns:
        glob = pattern[1:] if pattern[0] in "+-" else pattern
        named = {name for name in sets if glob == "all" or fnmatchcase(name, glob)}
        chosen = chosen - named if pattern[0] == "-" else chosen | named
    return [name for name in sets if name in chosen]


def release_files(release: str, patterns: Iterable[Iterable[str]], *, signed: bool) -> list[str]:
    """Return the files of a release that the installer asks for, for VMs with these patterns.

    VMs have one processor. BUILDINFO is fetched where the signed list has it, and INSTALL.amd64
    must be listed (install.sub, install_files). What no installation can do without, and the
    installer itself, are always among them.
    """
    version = release.replace(".", "")
    sets = [*_KERNELS, *(f"{name}{version}.tgz" for name in _SETS)]
    needed = {*_KERNELS, f"base{version}.tgz"}
    for selection in patterns:
        needed |= set(selected_sets(sets, sets, selection))
    return [*(name for name in sets if name in needed), *(["BUILDINFO"] if signed else []), _NOTES]
