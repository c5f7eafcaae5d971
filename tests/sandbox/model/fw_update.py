# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""fw_update(8), which fetches firmware and registers it as a package.

The fault `mirror URL DIRECTORY` is the only way out into the world. A directory needs the list
SHA256.sig too, whose signature is looked at only where it was fetched.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.call import Result
from sandbox.model import sets
from sandbox.options import OptionError, getopt

if TYPE_CHECKING:
    from sandbox.call import Call, Handler
    from sandbox.machine import Machine

USAGE = "usage: fw_update [-adFlnv] [-D path] [-p path] [driver | file ...]\n"
LIST = "SHA256.sig"
DMESG = "/var/run/dmesg.boot"
PACKAGES = "/var/db/pkg"
WORLD = "http://firmware.openbsd.org/firmware"


class GiveUp(Exception):
    """Nothing more is tried; the text is what is warned of."""


@dataclass
class _Run:
    machine: Machine
    source: str
    downloads: bool
    version: str
    warned: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)

    def fetch(self, name: str) -> bytes:
        url = f"{self.source}/{name}"
        for mirror, directory in self.machine.faults.arguments("mirror"):
            path = f"{directory}/{name}"
            if mirror.rstrip("/") == self.source.rstrip("/"):
                if self.machine.files.exists(path):
                    return self.machine.files.read_bytes(path)
                raise GiveUp(f"Cannot fetch {url} (404 Not Found)\n")
        host = re.sub(r"^[a-z]+://([^/:]+).*", r"\1", url)
        raise GiveUp(f"Cannot fetch {url}\nftp: {host}: no address associated with name\n")

    def listed(self) -> str:
        if self.downloads:
            message = sets.verify(self.fetch(LIST))
            if message is None:
                raise GiveUp("Signature check of SHA256.sig failed\n")
            return message.decode()
        path = f"{self.source}/{LIST}"
        if not self.machine.files.exists(path):
            raise GiveUp(f"fw_update: {path}: No such file or directory\n")
        return self.machine.files.read_text(path)

    def one(self, driver: str, listed: str) -> None:
        names = re.findall(rf"\(({re.escape(driver)}-firmware-.*\.tgz)\)", listed)
        if not names:
            self.warned.append(f"Unable to find firmware for {driver}\n")
            return
        name = names[-1]
        contents = f"{PACKAGES}/{name.removesuffix('.tgz')}/+CONTENTS"
        if self.machine.files.exists(contents):
            self.kept.append(driver)
            return
        content = self._content(name)
        if content is None:
            return
        if f"SHA256 ({name}) = {hashlib.sha256(content).hexdigest()}\n" not in listed:
            self.warned.append(f"Checksum test for {name} failed.\n")
            return
        self._add(name, content)
        self.added.append(driver)

    def _content(self, name: str) -> bytes | None:
        if self.downloads:
            return self.fetch(name)
        if not self.machine.files.exists(f"{self.source}/{name}"):
            self.warned.append(f"Cannot install {name}, not found\n")
            return None
        return self.machine.files.read_bytes(f"{self.source}/{name}")

    def _add(self, name: str, content: bytes) -> None:
        files, package = self.machine.files, f"{PACKAGES}/{name.removesuffix('.tgz')}"
        files.mkdir(package, parents=True)
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content))) as archive:
            for member in archive:
                stream = archive.extractfile(member)
                data = stream.read() if stream else b""
                if member.name.startswith("firmware/"):
                    files.write_bytes(f"/etc/{member.name}", data, 0o644, (0, 0))
                elif member.name.startswith("+"):
                    text = data.decode() + "@option manual-installation\n@option firmware\n"
                    files.write_text(f"{package}/{member.name}", text)


def fw_update(machine: Machine, call: Call) -> Result:
    try:
        options = getopt(call.argv[1:], "adD:Flnp:v")
    except OptionError as error:
        return Result(1, USAGE, f"fw_update: {error}\n")
    if any(options.has(one) for one in "adDFln"):
        return Result(1, "", "sandbox: this option of fw_update is not modelled\n")
    if call.uid != 0:
        return Result(1, "", "need root privileges\n")
    if not machine.files.exists(DMESG):
        return Result(1, "", f"fw_update: {DMESG}: No such file or directory\n")
    boots = re.findall(r"^OpenBSD (\d+\.\d)", machine.files.read_text(DMESG), re.MULTILINE)
    version = boots[-1] if boots else ""
    source = options.last("p") or f"{WORLD}/{version}"
    downloads = re.match(r"(ftp|https?)://", source) is not None
    if not downloads and not machine.files.is_dir(source):
        return Result(1, "", "The path must be a URL or an existing directory\n")
    run = _Run(machine, source, downloads, version)
    try:
        listed = run.listed()
        for driver in options.operands:
            run.one(driver, listed)
    except GiveUp as warning:
        return Result(1, "fw_update: failed.\n", f"{''.join(run.warned)}{warning}")
    said = f"fw_update: add {','.join(run.added) or 'none'}; update none"
    said += f"; keep {','.join(run.kept)}" if run.kept else ""
    return Result(0, f"{said}\n", "".join(run.warned))


def package(driver: str, file: str, content: bytes, version: str = "1.0") -> dict[str, bytes]:
    """A package of one file, and its signed list: what a mirror has, by name."""
    name = f"{driver}-firmware-{version}"
    packing = f"@name {name}\n@cwd /etc\nfirmware/{file}\n".encode()
    archive = sets.tarball(name, {"+CONTENTS": packing, f"firmware/{file}": content})
    listed = f"SHA256 ({name}.tgz) = {hashlib.sha256(archive).hexdigest()}\n"
    return {f"{name}.tgz": archive, LIST: sets.sign(listed.encode(), "78")}


COMMANDS: dict[str, Handler] = {"/usr/sbin/fw_update": fw_update}
