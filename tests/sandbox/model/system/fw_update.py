# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""fw_update(8), which takes firmware of drivers from a directory and notes it as a package."""

from __future__ import annotations

import io
import re
import tarfile
from typing import TYPE_CHECKING

from sandbox.target.call import Result
from sandbox.target.options import getopt

if TYPE_CHECKING:
    from sandbox.model.machine import Machine
    from sandbox.target.call import Call, Handler

LIST = "SHA256.sig"
PACKAGES = "/var/db/pkg"
WORLD = "http://firmware.openbsd.org/firmware/7.8"


def _fetch(machine: Machine, source: str, name: str) -> bytes:
    place = f"{source}/{name}"
    if (url := re.match(r"(?:ftp|https?)://([^/:]+)", source)) is not None:
        raise LookupError(f"Cannot fetch {place}\nftp: {url[1]}: no address associated with name\n")
    if not machine.files.exists(place):
        raise LookupError(f"Cannot fetch {place} (404 Not Found)\n")
    return machine.files.read_bytes(place)


def fw_update(machine: Machine, call: Call) -> Result:
    options = getopt(call.argv[1:], "dp:")
    source = (options.last("p") or WORLD).rstrip("/")
    (driver,) = options.operands
    kept = [name for name in machine.files.listdir(PACKAGES) if name.startswith(f"{driver}-")]
    if options.has("d"):
        for name in kept:
            machine.files.remove(f"{PACKAGES}/{name}")
        return Result(0)
    try:
        listed = _fetch(machine, source, LIST).decode()
        names = re.findall(rf"\(({re.escape(driver)}-firmware-.*\.tgz)\)", listed)
        if not names:
            raise LookupError(f"Unable to find firmware for {driver}\n")
        if (name := names[-1].removesuffix(".tgz")) in kept:
            return Result(0, f"fw_update: add none; update none; keep {driver}\n")
        package = f"{PACKAGES}/{name}"
        content = _fetch(machine, source, names[-1])
    except LookupError as warning:
        return Result(1, "fw_update: failed.\n", str(warning))
    machine.files.mkdir(package, parents=True)
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for member in archive:
            stream = archive.extractfile(member)
            place = "/etc" if member.name.startswith("firmware/") else package
            machine.files.write_bytes(f"{place}/{member.name}", stream.read() if stream else b"")
    return Result(0, f"fw_update: add {driver}; update none\n")


COMMANDS: dict[str, Handler] = {"/usr/sbin/fw_update": fw_update}
