# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The OpenSSH daemon in front of a server, run once for each connection.

It runs as one ordinary user for whom every account of the server has the same number, so it never
changes its user; which account a session has is the business of the session's shell.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .base import host_program, real_environment
from .namespace import UID

_CLIENT = """\
Host {name}
  HostName 127.0.0.1
  Port {port}
  User {user}
  HostKeyAlias {name}
  IdentityFile "{key}"
  UserKnownHostsFile "{known}"
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  IdentitiesOnly yes
  UpdateHostKeys no
  BatchMode yes
  LogLevel ERROR
"""

# The default key exchange of older OpenSSH takes a tenth of a second of both sides' processors.
_CONFIG = """\
AuthorizedKeysFile "%h/.ssh/authorized_keys"
HostKey "{directory}/host_key"
KbdInteractiveAuthentication no
KexAlgorithms curve25519-sha256
PasswordAuthentication no
PermitRootLogin prohibit-password
PidFile none
PrintMotd no
StrictModes no
UsePAM no
"""


@dataclass(frozen=True)
class Account:
    """What sshd needs to know of an account; ``home`` is its directory on the host."""

    name: str
    home: str


def make_key(path: Path, comment: str) -> str:
    """Makes an ed25519 key pair unless it is there; the public key's line without the comment."""
    if not path.exists():
        keygen = host_program("ssh-keygen")
        words = [keygen, "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


def write_config(directory: Path, blocks: str = "") -> None:
    """Writes sshd_config; ``directory`` is the server's own on the host, ``blocks`` come last."""
    _write(directory / "sshd_config", _CONFIG.format(directory=directory) + blocks)


def write_accounts(
    etc: Path, accounts: Iterable[Account], groups: Mapping[str, Iterable[str]]
) -> None:
    """Writes what sshd sees as passwd, group and nsswitch.conf; ``etc`` is its directory.

    ``groups`` are members by the group's name; their numbers mean nothing.
    """
    lines = [f"{account.name}:x:{UID}:{UID}::{account.home}:/run/shell\n" for account in accounts]
    _write(etc / "passwd", "".join(lines))
    own = [f"server:x:{UID}:\n", f"tty:x:{UID}:\n"]
    others = [
        f"{name}:x:{UID + 1 + number}:{','.join(members)}\n"
        for number, (name, members) in enumerate(groups.items())
        if name not in ("server", "tty")
    ]
    _write(etc / "group", "".join([*own, *others]))
    _write(etc / "nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")


def _write(place: Path, text: str) -> None:
    """Leaves a file alone that is right, since another sshd may be reading it this moment."""
    if not place.exists() or place.read_text() != text:
        place.write_text(text)


def serve(directory: Path, connection: socket.socket) -> subprocess.Popen[bytes]:
    """Starts sshd on an accepted connection."""
    words = [host_program("sshd"), "-i", "-f", str(directory / "sshd_config")]
    words += ["-E", str(directory / "sshd.log")]
    return subprocess.Popen(
        words,
        stdin=connection.fileno(),
        stdout=connection.fileno(),
        stderr=subprocess.DEVNULL,
        env=real_environment(),
    )


def client_config(name: str, port: str | int, *, user: str, key: Path, known: Path) -> str:
    """A block of ssh_config(5) with which ssh(1) reaches a server of this machine by its name."""
    return _CLIENT.format(name=name, port=port, user=user, key=key, known=known)
