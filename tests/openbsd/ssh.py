# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""How the servers are reached: a key, a known host key, and an ssh_config(5)."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from openbsd.errors import OpenBSDError

_BETWEEN_ATTEMPTS = 3.0
# All servers come from one image, and have its host key.
_ALIAS = "openbsd-image"


@dataclass(frozen=True)
class Access:
    """``key``: the client's private key. ``known_hosts``: the image's host key."""

    key: Path
    known_hosts: Path

    def config(self, ports: Mapping[str, int]) -> str:
        """Return an ssh_config(5) for servers by name, at ports of 127.0.0.1."""
        # The host key that an image shows first is trusted; later it must not change.
        checking = "yes" if self.known_hosts.exists() else "accept-new"
        return "".join(
            f"Host {name}\n  HostName 127.0.0.1\n  Port {port}\n  User root\n"
            f"  HostKeyAlias {_ALIAS}\n  IdentityFile {_quoted(self.key)}\n"
            f"  UserKnownHostsFile {_quoted(self.known_hosts)}\n"
            f"  IdentitiesOnly yes\n  StrictHostKeyChecking {checking}\n  UpdateHostKeys no\n"
            "  GlobalKnownHostsFile /dev/null\n  BatchMode yes\n  LogLevel ERROR\n"
            "  ConnectTimeout 60\n  ServerAliveInterval 15\n  ServerAliveCountMax 20\n"
            for name, port in sorted(ports.items())
        )


def make_key(path: Path) -> str:
    """Make an ed25519 key pair unless it is there; return the public key's line."""
    if not path.exists():
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "puffy.vmm", "-f", str(path)]
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
    return path.with_suffix(".pub").read_text().strip()


def run(config: Path, name: str, script: str, seconds: float) -> str:
    """Run a script of sh(1) as root, and return its output. Raises OpenBSDError if it fails."""
    words = ["ssh", "-F", str(config), name, "sh -s"]
    try:
        done = subprocess.run(
            words, input=script, capture_output=True, text=True, check=False, timeout=seconds
        )
    except subprocess.TimeoutExpired as error:
        raise OpenBSDError(f"{name}: no answer within {seconds:.0f} seconds") from error
    if done.returncode:
        raise OpenBSDError(f"{name}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def wait(config: Path, name: str, until: float, check: Callable[[], None]) -> None:
    """Wait until ssh answers; ``check`` is asked now and then, and raises to give up.

    Raises OpenBSDError with ssh's last words at time.monotonic() ``until``.
    """
    while True:
        check()
        try:
            run(config, name, "true\n", 120)
        except OpenBSDError as error:
            if time.monotonic() > until:
                raise OpenBSDError(f"{name} does not answer on ssh: {error}") from error
            time.sleep(_BETWEEN_ATTEMPTS)
        else:
            return


def _quoted(path: Path) -> str:
    return f'"{path}"'
