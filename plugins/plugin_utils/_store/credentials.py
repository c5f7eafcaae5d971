# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Passwords of VMs, each in an encrypted file of its own."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.vault import Vault, VaultError
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.files import (
    Unreadable,
    read_file,
    write_file,
)

_LIMIT = 64 * 1024
_HASH = re.compile(r"\$2b\$[0-9]{2}\$[./A-Za-z0-9]{53}")


class CredentialError(OperatorError):
    """A credential file that cannot be used; the message names it."""


@dataclass(frozen=True)
class Credential:
    password: str = field(repr=False)
    hash: str = field(repr=False)

    def render(self) -> str:
        content = {"password": self.password, "hash": self.hash}
        return yaml.safe_dump(content, sort_keys=False, width=1000)

    @classmethod
    def parse(cls, text: str) -> Credential:
        """Read what render() wrote. Raises ValueError, never with a part of the text."""
        try:
            content = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ValueError("is not YAML once it is decrypted") from None
        if not isinstance(content, dict) or content.keys() != {"password", "hash"}:
            raise ValueError("must have the two keys password and hash, and no others")
        password, digest = content["password"], content["hash"]
        if not isinstance(password, str) or not password.isprintable() or not password:
            raise ValueError("password: must be a string of printable characters")
        if not isinstance(digest, str) or not _HASH.fullmatch(digest):
            raise ValueError("hash: must be a hash of bcrypt that begins with $2b$")
        return cls(password, digest)


class CredentialFiles:
    """The directory credentials/ of a fleet. Names are those of VMs, checked by the caller."""

    def __init__(self, directory: Path, vault: Vault) -> None:
        self._directory = directory
        self._vault = vault

    def path(self, name: str) -> Path:
        return self._directory / f"{name}.yml"

    def exists(self, name: str) -> bool:
        """Return whether anything has the name, even a link to nowhere."""
        return os.path.lexists(self.path(name))

    def read(self, name: str) -> Credential:
        """Return the credential of a VM. Raises CredentialError."""
        try:
            return Credential.parse(self._vault.decrypt(read_file(self.path(name), _LIMIT)))
        except (Unreadable, ValueError, VaultError) as error:
            raise CredentialError(f"{self.path(name)}: {error}") from error

    def write(self, name: str, credential: Credential) -> None:
        """Write a credential. Only for who holds the fleet's lock. Raises VaultError, OSError."""
        data = self._vault.encrypt(credential.render())
        self._directory.mkdir(mode=0o700, exist_ok=True)
        write_file(self.path(name), data, 0o600)
