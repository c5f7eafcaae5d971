# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What an installation is about, and what it leaves on the disk."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import bcrypt

RELEASE = "7.8"
VERSION = RELEASE.replace(".", "")
ARCHITECTURE = "amd64"
OBSD = f"OpenBSD/{ARCHITECTURE} {RELEASE}"
SETS_DIRECTORY = f"{RELEASE}/{ARCHITECTURE}"

HASH_CHARACTERS = 40
NO_PASSWORD = "*" * 13
BCRYPT_BYTES = 72
COST = 4  # the lowest: the sandbox's guests have nothing to protect


class Disk(Protocol):
    """A disk of the guest. `write` raises OSError."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int:
        """Bytes."""

    def write(self, record: Mapping[str, Any]) -> None: ...


@dataclass
class User:
    name: str
    full_name: str
    password: str
    key: str = ""


@dataclass
class Installed:
    """The system that comes out. Passwords are hashes, or 13 asterisks for none.

    `interfaces` has for each name what its hostname.if(5) says: `ipv4` and `ipv6` are autoconf,
    none or an address with its length.
    """

    hostname: str = ""
    interfaces: dict[str, dict[str, str]] = field(default_factory=dict)
    gateways: list[str] = field(default_factory=list)
    nameservers: list[str] = field(default_factory=list)
    root_password: str = ""
    root_key: str = ""
    sshd: bool = True
    root_login: str = ""
    console_speed: str = ""
    user: User | None = None
    root_disk: str = ""
    encrypted: bool = False
    sets: list[str] = field(default_factory=list)
    unverified: list[str] = field(default_factory=list)
    installurl: str = ""
    timezone: str = ""
    release: str = RELEASE

    def record(self) -> dict[str, Any]:
        return asdict(self)


def stored_password(password: str) -> str:
    """The password field of master.passwd(5) for an answer of a response file."""
    hashed = re.match(r"\$2.\$[0-9][0-9]\$", password) and len(password) > HASH_CHARACTERS
    if hashed or password == NO_PASSWORD:
        return password
    secret = password.encode("utf-8", "surrogateescape")[:BCRYPT_BYTES]
    return bcrypt.hashpw(secret, bcrypt.gensalt(COST)).decode("ascii")
