# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""An installed server that runs in the background, one directory each."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from openbsd import qemu, ssh
from openbsd.console import ConsoleError
from openbsd.errors import OpenBSDError

_ATTEMPTS = 5
_STARTS_WITHIN = 1.0
_ENDS_WITHIN = 20.0


@dataclass(frozen=True)
class Guest:
    """``directory``: absolute; holds pid, port, console.log and qemu.log."""

    directory: Path

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def log(self) -> Path:
        return self.directory / "console.log"

    @property
    def port(self) -> int:
        """The port of 127.0.0.1 that leads to its ssh."""
        return int((self.directory / "port").read_text())

    @property
    def pid(self) -> int | None:
        """The process that runs it, or None. A number that another process has by now is None."""
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.directory / "pid").read_text())
            here = Path(f"/proc/{pid}/cwd").resolve()
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            if here == self.directory.resolve() and state != "Z":
                return pid
        return None

    @property
    def cable(self) -> qemu.Cable | None:
        """What leads to another server, if it runs with one."""
        file = self.directory / "cable"
        if self.pid is None or not file.exists():
            return None
        return qemu.Cable(*map(int, file.read_text().split()))

    def start(
        self,
        machine: qemu.Machine,
        disk: Path,
        number: int,
        served: Path | None = None,
        cable: qemu.Cable | None = None,
    ) -> None:
        """Start it unless it runs; ``served`` and what is at the end of ``cable`` are all that it
        reaches. Raises OpenBSDError with what QEMU says."""
        if self.pid is not None:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        for _ in range(_ATTEMPTS):
            port = _free_port()
            words = qemu.server(machine, disk, port, number, served, cable)
            with (self.directory / "qemu.log").open("wb") as log:
                process = subprocess.Popen(
                    words,
                    cwd=self.directory,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            (self.directory / "port").write_text(f"{port}\n")
            if cable:
                (self.directory / "cable").write_text(f"{cable.own} {cable.other}\n")
            (self.directory / "pid").write_text(f"{process.pid}\n")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STARTS_WITHIN)
                # Somebody else took the port meanwhile.
                if "hostfwd" in self._complaint() or "host forwarding" in self._complaint():
                    continue
                raise OpenBSDError(f"{self.name}: QEMU does not start: {self._complaint()}")
            # Its parent need not outlive it.
            process.returncode = 0
            return
        raise OpenBSDError(f"{self.name}: no free port: {self._complaint()}")

    def check(self) -> None:
        """Raise ConsoleError if it has ended."""
        if self.pid is None:
            raise ConsoleError(
                f"{self.name}: QEMU has ended: {self._complaint() or 'no reason given'}"
            )

    def wait_for_ssh(self, config: Path, seconds: float) -> None:
        """Wait until ssh answers. Raises OpenBSDError."""
        ssh.wait(config, self.name, time.monotonic() + seconds, self.check)

    def wait_for_end(self, seconds: float) -> bool:
        """Return whether it has ended within that time."""
        until = time.monotonic() + seconds
        while self.pid is not None:
            if time.monotonic() > until:
                return False
            time.sleep(0.5)
        return True

    def stop(self) -> None:
        """End it at once, as a power failure does."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            pid = self.pid
            if pid is None:
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            self.wait_for_end(_ENDS_WITHIN)
        (self.directory / "pid").unlink(missing_ok=True)

    def _complaint(self) -> str:
        log = self.directory / "qemu.log"
        return log.read_text(errors="replace").strip() if log.exists() else ""


def new_cable() -> qemu.Cable:
    """Return one between two ports that are free."""
    return qemu.Cable(_free_port(socket.SOCK_DGRAM), _free_port(socket.SOCK_DGRAM))


def _free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(type=kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
