# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""An ordinary account behind an sshd on 127.0.0.1, for tools that need Python on the server.

It is this machine's own file system with another /etc/passwd: a user "peer" with a new home, and
whose shell reads no start-up files.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.target import namespace, sshd
from sandbox.target.base import host_program

NAME = "peer"
_START_SECONDS = 20
_SSHD_CONFIG = """\
AuthorizedKeysFile "%h/.ssh/authorized_keys"
HostKey "{directory}/host_key"
KexAlgorithms curve25519-sha256
ListenAddress 127.0.0.1
PasswordAuthentication no
PidFile none
Port {port}
StrictModes no
Subsystem sftp internal-sftp
UsePAM no
"""


@dataclass(frozen=True)
class Account:
    """What is known of it outside; ssh_config(5) is what ssh(1) needs."""

    directory: Path
    port: int

    @property
    def home(self) -> Path:
        return self.directory / "home"

    @property
    def key(self) -> Path:
        return self.directory / "key"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    @property
    def ssh_config(self) -> Path:
        return self.directory / "ssh_config"


@contextmanager
def account(directory: Path) -> Iterator[Account]:
    """The account, as long as its sshd runs. Raises RuntimeError if it does not start."""
    shutil.rmtree(directory, ignore_errors=True)
    made = Account(directory, _free_port())
    (made.home / ".ssh").mkdir(parents=True)
    public = sshd.make_key(made.key, "bench")
    (made.home / ".ssh/authorized_keys").write_text(f"{public}\n")
    host_key = sshd.make_key(directory / "host_key", "bench")
    # paramiko looks for the port too.
    names = f"{NAME},[127.0.0.1]:{made.port}"
    made.known_hosts.write_text(f"{names} {host_key}\n")
    made.ssh_config.write_text(
        sshd.client_config(NAME, made.port, user=NAME, key=made.key, known=made.known_hosts)
    )
    run = directory / "run"
    namespace.prepare_run(run)
    (run / "shell").symlink_to(shutil.which("dash") or host_program("sh"))
    (run / "sshd").mkdir()
    sshd.write_accounts(run / "etc", [sshd.Account(NAME, str(made.home))], {})
    config = _SSHD_CONFIG.format(directory=directory, port=made.port)
    (directory / "sshd_config").write_text(config)
    log = directory / "sshd.log"
    with subprocess.Popen(_words(directory, run, log), stdin=subprocess.DEVNULL) as process:
        try:
            _wait(made.port, log)
            yield made
        finally:
            process.terminate()


def _words(directory: Path, run: Path, log: Path) -> list[str]:
    words = ["bwrap", "--die-with-parent", "--unshare-user", "--unshare-pid"]
    words += ["--uid", str(namespace.UID), "--gid", str(namespace.UID)]
    words += ["--bind", "/", "/", "--dev-bind", "/dev", "/dev", "--proc", "/proc"]
    words += ["--bind", str(run), "/run"]
    words += ["--ro-bind", "/etc", "/run/host-etc", "--ro-bind", str(run / "etc"), "/etc"]
    return [
        *words,
        host_program("sshd"),
        "-D",
        "-f",
        str(directory / "sshd_config"),
        "-E",
        str(log),
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                said = log.read_text() if log.exists() else "nothing"
                raise RuntimeError(f"sshd does not start; it said: {said}") from None
            time.sleep(0.05)
