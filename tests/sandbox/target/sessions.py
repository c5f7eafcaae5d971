# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The ssh sessions of a server: how each enters the root, who it is, and what it amounted to."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import namespace, sshd, wire
from .base import Base
from .call import Call, Exec
from .machine import Machine

_LOGIN_PATH = "/usr/bin:/bin:/usr/sbin:/sbin:/usr/X11R6/bin:/usr/local/bin:/usr/local/sbin"
# Started with the shell, its name and its arguments: bubblewrap gives a program no other name.
_LOGIN = 'shell=$1 name=$2; shift 2; exec -a "$name" "$shell" "$@"'


@dataclass(frozen=True)
class Account:
    """A line of /etc/passwd."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str


@dataclass
class Session:
    """A running session; ``pid`` is its first process, ``daemon`` the sshd of its connection."""

    number: int
    user: str
    pid: int
    daemon: int


class Sessions:
    """Knows every session of the server that is running, and logs those that have ended."""

    def __init__(self, machine: Machine, directory: Path, base: Base) -> None:
        self._machine = machine
        self._directory = directory
        self._base = base
        self._running: dict[int, Session] = {}
        self._count = 0

    def accounts(self) -> list[Account]:
        """The accounts of the server, in the order of its passwd."""
        rows = []
        for line in self._machine.files.read_text("/etc/passwd").splitlines():
            parts = line.split(":")
            if len(parts) == 7 and parts[2].isdigit() and parts[3].isdigit():
                rows.append(Account(parts[0], int(parts[2]), int(parts[3]), parts[5], parts[6]))
        return rows

    def account(self, name: str) -> Account | None:
        return next((account for account in self.accounts() if account.name == name), None)

    def name(self, uid: int) -> str:
        """The first account with that number, or the number."""
        return next((account.name for account in self.accounts() if account.uid == uid), str(uid))

    def write_accounts(self) -> None:
        """Give sshd the present accounts."""
        files = self._machine.files
        homes = {
            account.name: files.resolve(account.home) if files.is_dir(account.home) else Path("/")
            for account in self.accounts()
        }
        rows = [sshd.Account(name, str(home)) for name, home in homes.items()]
        groups: dict[str, list[str]] = {}
        for line in files.read_text("/etc/group").splitlines():
            name, _, gid, members = line.split(":")
            own = [account.name for account in self.accounts() if str(account.gid) == gid]
            groups[name] = [*own, *members.split(",")] if members else own
        sshd.write_accounts(Path("/run/etc"), rows, groups)

    def serve(self, peer: socket.socket) -> None:
        """Lets one session in and waits for its end."""
        with peer, contextlib.suppress(EOFError, ConnectionError):
            _, body = wire.receive(peer)
            user, pid, daemon, terminal, argc, command, *shown = wire.fields(body)
            with self._machine.lock:
                self._count += 1
                session = Session(self._count, user, int(pid), int(daemon))
                self._running[session.number] = session
                limit = self._cut_after()
                self._edit()
            began = time.time()
            try:
                words = self._entry(user, command if argc != "0" else None, shown)
                wire.send(peer, b"G", wire.join([str(limit), *words]))
                _, body = wire.receive(peer)
                bytes_in, bytes_out, rc = (int(field) for field in wire.fields(body))
                self._log(session, command, began, bytes_in, bytes_out, rc)
                wire.send(peer, b"G")
            finally:
                with self._machine.lock:
                    self._running.pop(session.number, None)

    def run(self, user: str, command: str, stdin: bytes) -> subprocess.CompletedProcess[bytes]:
        """Runs a command as ssh would, without ssh; it is in no log."""
        filter_, count, *words = self._entry(user, command, [])
        argv, listed = words[: int(count)], words[int(count) :]
        kept = [os.open(filter_, os.O_RDONLY)] if filter_ else []
        argv[1:1] = [word for number in kept for word in ("--seccomp", str(number))]
        child = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(variable.split("=", 1) for variable in listed),
            umask=0o022,
            pass_fds=kept,
        )
        for number in kept:
            os.close(number)
        with self._machine.lock:
            self._count += 1
            session = Session(self._count, user, child.pid, 0)
            self._running[session.number] = session
        try:
            stdout, stderr = child.communicate(stdin)
        finally:
            with self._machine.lock:
                self._running.pop(session.number, None)
        return subprocess.CompletedProcess(argv, child.returncode, stdout, stderr)

    def cut(self, pid: int) -> None:
        """Ends the connection of the session that the process belongs to."""
        line = _ancestors(pid)
        for session in list(self._running.values()):
            if session.pid in line and session.daemon:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(session.daemon, signal.SIGKILL)

    def identity(self, pid: int) -> tuple[int, int]:
        """uid and gid of a process that has lost its environment: those of its nearest ancestor."""
        sessions = {ancestor.pid: ancestor.user for ancestor in self._running.values()}
        for ancestor in _ancestors(pid):
            if ancestor in sessions and (account := self.account(sessions[ancestor])):
                return account.uid, account.gid
        return 0, 0

    def exec_parts(self, call: Call, new: Exec) -> list[str]:
        """What a stub needs to become another program as another account."""
        account = self.account(new.user)
        uid, gid = (account.uid, account.gid) if account else (call.uid, call.gid)
        environment = namespace.identity(uid, gid) | dict(new.environment)
        environment["LD_PRELOAD"] = namespace.FAKEROOT
        words = [new.cwd or call.cwd, new.argv0 or new.argv[0], str(len(new.argv)), *new.argv]
        return words + [f"{name}={value}" for name, value in environment.items()]

    def _entry(self, user: str, command: str | None, shown: list[str]) -> list[str]:
        account = self.account(user) or Account(user, 32767, 32767, "/", "/sbin/nologin")
        home = account.home if self._machine.files.is_dir(account.home) else "/"
        closed = self._machine.closed_to(account.name)
        words = namespace.session(self._directory, self._base, home, closed)
        name = Path(account.shell).name
        words += ["/bin/sh", "-c", _LOGIN, "sh", account.shell]
        words += [f"-{name}"] if command is None else [name, "-c", command]
        environment = {
            "HOME": account.home,
            "LOGNAME": user,
            "PATH": _LOGIN_PATH,
            "SHELL": account.shell,
            "USER": user,
            "MAIL": f"/var/mail/{user}",
        } | namespace.identity(account.uid, account.gid)
        listed = [f"{key}={value}" for key, value in environment.items()] + shown
        filter_ = self._directory / "filter"
        return [str(filter_) if filter_.stat().st_size else "", str(len(words)), *words, *listed]

    def _cut_after(self) -> int:
        """Bytes of input after which the new session is cut, or -1; counts executions down."""
        for entry in self._machine.faults.arguments("cut_after"):
            size, left = int(entry[0]), int((*entry, "1", "1")[1])
            fresh = None if left <= 1 else ("cut_after", entry[0], str(left - 1))
            self._machine.faults.replace(("cut_after", *entry), fresh)
            if fresh is None:
                return size
        return -1

    def _edit(self) -> None:
        """Does what edit_before_apply asks for, when its execution is there."""
        for entry in self._machine.faults.arguments("edit_before_apply"):
            path, left = entry[0], int((*entry, "2", "2")[1])
            fresh = None if left <= 1 else ("edit_before_apply", path, str(left - 1))
            self._machine.faults.replace(("edit_before_apply", *entry), fresh)
            if fresh is None:
                self._machine.files.append_text(path, "# edited by somebody else\n")

    def _log(
        self, session: Session, command: str, began: float, bytes_in: int, bytes_out: int, rc: int
    ) -> None:
        row = {
            "time": began,
            "user": session.user,
            "command": command,
            "command_bytes": len(command.encode("utf-8", "surrogateescape")),
            "bytes_in": bytes_in,
            "bytes_out": bytes_out,
            "seconds": time.time() - began,
            "rc": rc,
        }
        with self._machine.lock, (self._directory / "ssh.log").open("a") as log:
            log.write(json.dumps(row) + "\n")


def _ancestors(pid: int) -> list[int]:
    """The process and those above it, nearest first."""
    line = []
    while pid > 1:
        line.append(pid)
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            break
        pid = int(stat.rsplit(")", 1)[1].split()[1])
    return line
