# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A release directory for the sandbox: sets that are a few bytes long, and their signed list."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile

from sandbox.model.system.signify import sign

NAMES = ("base", "comp", "man", "game", "xbase", "xshare", "xfont", "xserv")
KERNELS = ("bsd", "bsd.mp", "bsd.rd")


def set_names(release: str) -> list[str]:
    version = release.replace(".", "")
    return [f"{name}{version}.tgz" for name in NAMES]


def tarball(name: str, files: dict[str, bytes]) -> bytes:
    """A gzip-compressed archive of plain files, owned by root; the same bytes every time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, content in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size = len(content)
            member.uname, member.gname = "root", "wheel"
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


def release_files(release: str) -> dict[str, bytes]:
    """The files of a release's directory, without index.txt."""
    version = release.replace(".", "")
    files = {
        "BUILDINFO": f"Build date: 1757780640 - {release}\n".encode(),
        "INSTALL.amd64": f"INSTALLATION NOTES for OpenBSD/amd64 {release}\n".encode(),
    }
    files |= {name: f"sandbox kernel {name} {release}\n".encode() for name in KERNELS}
    for name in set_names(release):
        files[name] = tarball(name, {f"./var/db/sandbox/{name}": f"{name} {version}\n".encode()})
    files["SHA256"] = "".join(
        f"SHA256 ({name}) = {hashlib.sha256(content).hexdigest()}\n"
        for name, content in sorted(files.items())
    ).encode()
    files["SHA256.sig"] = sign(files["SHA256"], version)
    return files


def index_line(name: str, size: int) -> str:
    """A line of index.txt, as ls -lT prints it."""
    return f"-rw-r--r--  1 root  wheel  {size:>10} Sep 13 16:24:00 2025 {name}\n"


def release_directory(release: str) -> dict[str, bytes]:
    """All files of a release's directory on a mirror, index.txt included."""
    files = release_files(release)
    lines = [index_line(name, len(content)) for name, content in sorted(files.items())]
    return {**files, "index.txt": "".join(lines).encode()}
