# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""vmctl create: it needs no daemon and no root, only a directory that the caller may write to."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sandbox.model import access, images
from sandbox.model.errors import failure, text
from sandbox.model.vmctl_words import MEGABYTE, Failed, size, usage
from sandbox.options import OptionError, getopt

if TYPE_CHECKING:
    from sandbox.call import Call
    from sandbox.machine import Machine

_FORMATS = ("raw", "qcow2")
Warn = Callable[[str], None]


@dataclass(frozen=True)
class _Maker:
    machine: Machine
    call: Call
    warn: Warn

    def host_path(self, path: str) -> str:
        return self.call.absolute(path)

    def format_of(self, word: str) -> tuple[str, str]:
        """Format and path: an explicit prefix, the file's magic, its extension, else raw."""
        for name in _FORMATS:
            if word.startswith(f"{name}:"):
                return name, word.removeprefix(f"{name}:")
        try:
            access.check(self.machine, self.call.uid, self.host_path(word), access.READ)
            if images.is_qcow2(self.machine.files.resolve(self.host_path(word))):
                return "qcow2", word
        except OSError:
            pass
        extension = PurePosixPath(word).name.rpartition(".")[2].lower() if "." in word else ""
        return (extension if extension in _FORMATS else "raw"), word

    def make(self, kind: str, path: str, length: int, base: str = "") -> None:
        """Raises OSError in OpenBSD's words; the new file has mode 0600 and the caller's uid."""
        files = self.machine.files
        name = self.host_path(path)
        directory = str(PurePosixPath(name).parent)
        try:
            access.check(self.machine, self.call.uid, directory, access.SEARCH)
            if os.path.lexists(files.resolve(name, follow=False)):
                raise failure(errno.EEXIST)
            access.check(self.machine, self.call.uid, directory, access.WRITE)
            for full, *free in self.machine.faults.arguments("disk_full"):
                if name.startswith(full) and not free:
                    raise failure(errno.ENOSPC)
            host = files.resolve(name)
            if kind == "qcow2":
                images.create_qcow2(host, length, base)
            else:
                images.create_raw(host, length)
            files.chown(name, self.call.uid, files.owner(directory)[1])
        except OSError as error:
            raise OSError(error.errno, text(error.errno or 0), path) from None

    def base_size(self, path: str, wanted: int) -> int:
        try:
            access.check(self.machine, self.call.uid, self.host_path(path), access.READ)
            header = images.qcow2_header(self.machine.files.resolve(self.host_path(path)))
        except OSError:
            raise Failed("vmctl: failure to read base image header\n") from None
        except ValueError as error:
            short = "short" in str(error)
            reason = (
                "failure to read base image header" if short else "base image is not a qcow2 file"
            )
            raise Failed(f"vmctl: {reason}\n") from None
        if wanted and wanted != header.size:
            raise Failed("vmctl: base size does not match requested size\n")
        return header.size

    def convert(self, source: str, kind: str, path: str, wanted: int) -> None:
        """Copy an image into another format; only what was installed on it is carried over."""
        source_kind, source_path = self.format_of(source)
        name = self.host_path(source_path)
        try:
            access.check(self.machine, self.call.uid, name, access.READ)
            image = images.Image(self.machine.files, name, source_kind)
            length, record = image.size(), image.record()
        except (OSError, ValueError):
            raise Failed("vmctl: failed to open source image file\n") from None
        if wanted and wanted < length:
            raise Failed("vmctl: size cannot be smaller than input disk size\n")
        total = -(-(wanted or length) // MEGABYTE) * MEGABYTE
        try:
            self.make(kind, path, total)
        except OSError:
            raise Failed("vmctl: failed to create destination image file\n") from None
        if record is not None:
            images.Image(self.machine.files, self.host_path(path), kind).write(record)
        if (wanted or length) < total:
            self.warn(f"vmctl: destination size rounded to {total // MEGABYTE} megabytes\n")


def create(machine: Machine, call: Call, words: list[str], warn: Warn) -> int:
    try:
        options = getopt(words, "b:i:s:")
    except OptionError as error:
        raise Failed(f"vmctl: {error}\n{usage('create')}") from None
    wanted = 0
    for value in [value for letter, value in options.given if letter == "s"]:
        wanted = size(value, "disk", warn)
    if len(options.operands) != 1:
        raise Failed(usage("create"))
    maker = _Maker(machine, call, warn)
    kind, path = maker.format_of(options.operands[0])
    base, source = options.last("b"), options.last("i")
    if source is not None:
        if base is not None:
            raise Failed("vmctl: conflicting -b and -i arguments\n")
        maker.convert(source, kind, path, wanted)
        warn(f"vmctl: {kind} imagefile created\n")
        return 0
    if base is not None and kind != "qcow2":
        raise Failed("vmctl: base images require qcow2 disk format\n")
    if not wanted and base is None:
        raise Failed(f"could not create {path}: missing size argument\n{usage('create')}")
    if base is not None:
        wanted = maker.base_size(base, wanted)
    try:
        maker.make(kind, path, wanted, base or "")
    except OSError as error:
        raise Failed(f"vmctl: create imagefile operation failed: {error.strerror}\n") from None
    warn(f"vmctl: {kind} imagefile created\n")
    return 0
