# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""fw_update(8), which fetches firmware of drivers and registers it as a package.

The fault `mirror URL DIRECTORY` is the only way out into the world.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
from typing import TYPE_CHECKING

from sandbox.model.sets import tarball
from sandbox.target.call import Result
from sandbox.target.options import getopt

from .signify import sign, verify

if TYPE_CHECKING:
    from sandbox.model.machine import Machine
    from sandbox.target.call import Call, Handler

LIST = "SHA256.sig"
PACKAGES = "/var/db/pkg"
WORLD = "http://firmware.openbsd.org/firmware/7.8"


class GiveUp(Exception):
    """Nothing more is tried; the text is what is warned of."""


def _fetch(machine: Machine, source: str, name: str) -> bytes:
    url, place = f"{source}/{name}", f"{source}/{name}"
    if re.match(r"(ftp|https?)://", source):
        mirrors = {url: place for url, place in machine.faults.arguments("mirror")}
        if source not in mirrors:
            host = re.sub(r"^[a-z]+://([^/:]+).*", r"\1", url)
            raise GiveUp(f"Cannot fetch {url}\nftp: {host}: no address associated with name\n")
        place = f"{mirrors[source]}/{name}"
    if not machine.files.exists(place):
        raise GiveUp(f"Cannot fetch {url} (404 Not Found)\n")
    return machine.files.read_bytes(place)


def fw_update(machine: Machine, call: Call) -> Result:
    options = getopt(call.argv[1:], "p:")
    if call.uid != 0:
        return Result(1, "", "need root privileges\n")
    source = (options.last("p") or WORLD).rstrip("/")
    done: dict[str, list[str]] = {"add": [], "keep": []}
    try:
        listed = verify(_fetch(machine, source, LIST))
        if listed is None:
            raise GiveUp("Signature check of SHA256.sig failed\n")
        for driver in options.operands:
            done[_install(machine, source, driver, listed.decode())].append(driver)
    except GiveUp as warning:
        return Result(1, "fw_update: failed.\n", str(warning))
    said = f"fw_update: add {','.join(done['add']) or 'none'}; update none"
    return Result(0, said + (f"; keep {','.join(done['keep'])}" if done["keep"] else "") + "\n")


def _install(machine: Machine, source: str, driver: str, listed: str) -> str:
    names = re.findall(rf"\(({re.escape(driver)}-firmware-.*\.tgz)\)", listed)
    if not names:
        raise GiveUp(f"Unable to find firmware for {driver}\n")
    package = f"{PACKAGES}/{names[-1].removesuffix('.tgz')}"
    if machine.files.exists(package):
        return "keep"
    content = _fetch(machine, source, names[-1])
    if f"SHA256 ({names[-1]}) = {hashlib.sha256(content).hexdigest()}\n" not in listed:
        raise GiveUp(f"Checksum test for {names[-1]} failed.\n")
    machine.files.mkdir(package, parents=True)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content))) as archive:
        for member in archive:
            stream = archive.extractfile(member)
            place = "/etc" if member.name.startswith("firmware/") else package
            machine.files.write_bytes(f"{place}/{member.name}", stream.read() if stream else b"")
    return "add"


def package(driver: str, file: str, content: bytes) -> dict[str, bytes]:
    """A package of one file, and its signed list: what a mirror has, by name."""
    name = f"{driver}-firmware-1.0"
    archive = tarball(name, {"+CONTENTS": b"@name\n", f"firmware/{file}": content})
    listed = f"SHA256 ({name}.tgz) = {hashlib.sha256(archive).hexdigest()}\n"
    return {f"{name}.tgz": archive, LIST: sign(listed.encode(), "78")}


COMMANDS: dict[str, Handler] = {"/usr/sbin/fw_update": fw_update}
