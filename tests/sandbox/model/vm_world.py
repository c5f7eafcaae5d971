# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The server's files and accounts, as vmd's parser sees them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sandbox.model import access, images
from sandbox.model.errors import text

if TYPE_CHECKING:
    from sandbox.machine import Machine


@dataclass(frozen=True)
class FileWorld:
    """`cwd` is where relative paths begin; the daemon's is /. Accounts are looked up once."""

    machine: Machine
    uid: int = 0
    cwd: str = "/"

    def path(self, name: str) -> str:
        return os.path.join(self.cwd, name)

    def read(self, path: str) -> str:
        """The file as Latin-1; raises OSError in OpenBSD's words."""
        name = self.path(path)
        try:
            access.check(self.machine, self.uid, name, access.READ)
            return self.machine.files.read_bytes(name).decode("latin-1")
        except OSError as error:
            raise OSError(error.errno, text(error.errno or 0), path) from None

    def realpath(self, path: str) -> str:
        name = self.path(path.encode("latin-1").decode("utf-8", "surrogateescape"))
        try:
            access.check(self.machine, self.uid, name, 0)
            host = self.machine.files.resolve(name)
        except OSError as error:
            raise OSError(error.errno, text(error.errno or 0), path) from None
        files = self.machine.files
        root = files.root if host.is_relative_to(files.root) else files.system or files.root
        return "/" + str(host.relative_to(root))

    def is_qcow2(self, path: str) -> bool:
        """False for what cannot be read, as for a raw image."""
        try:
            access.check(self.machine, self.uid, path, access.READ)
            return images.is_qcow2(self.machine.files.resolve(path))
        except OSError:
            return False

    @cached_property
    def _users(self) -> dict[str, int]:
        return {one.name: one.uid for one in reversed(self.machine.accounts.users())}

    @cached_property
    def _groups(self) -> dict[str, int]:
        return {one.name: one.gid for one in reversed(self.machine.accounts.groups())}

    def user(self, name: str) -> int | None:
        return self._users.get(name)

    def group(self, name: str) -> int | None:
        return self._groups.get(name)
