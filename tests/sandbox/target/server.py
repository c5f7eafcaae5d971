# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A target as tests and the command line see it from outside."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import socket
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from . import base, namespace, sshd, wire
from .base import host_program

_START_SECONDS = 30
# The namespace's first process: when it ends, the kernel ends all that is left of the server.
# faked(1) is started before the machine's process, so that this one sees the server's owners.
_LAUNCH = (
    'key=$1 faked=$2 library=$3; shift 3; "$faked" --key "$key" </dev/null >/dev/null && '
    'LD_PRELOAD=$library FAKEROOTKEY=$key "$@"; exit $?'
)


@dataclass(frozen=True)
class Execution:
    """One ssh execution: when it began (seconds since 1970), who ran what, what it moved."""

    time: float
    user: str
    command: str
    command_bytes: int
    bytes_in: int
    bytes_out: int
    seconds: float
    rc: int


class ServerError(RuntimeError):
    """The server could not be started or did not do what it was asked."""


class Target:
    """A target called ``name``, with a model's package; its state stays below ``directory``.

    Targets of one directory share ssh_config, and what is in ``shared`` (by default within the
    directory): the client's key and the read-only base, which take a second to make. With
    ``attached`` (the default) the server dies with the thread that started it. ``state`` is what
    the models of a new server start with, by subsystem.
    """

    MODEL = ""

    def __init__(
        self,
        directory: Path,
        name: str,
        *,
        hostname: str = "",
        attached: bool = True,
        shared: Path | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self.name = name
        self.hostname = hostname or f"{name}.example.org"
        self.attached = attached
        self._state = dict(state or {})
        self._shared_directory = (shared or self.directory / ".shared").absolute()
        self.home = self.directory / name
        self.root = self.home / "root"
        self._process: subprocess.Popen[str] | None = None

    def start(self, *, speed: float = 1) -> Self:
        """Starts the server and returns when ssh answers; ServerError with its output otherwise.

        Modelled waits are ``speed`` times shorter.
        """
        if self.running:
            return self
        run = self.home / "run"
        namespace.prepare_run(run)
        (self.home / "record").mkdir(exist_ok=True)
        # Not in the machine's process: its library always lets a file's owner open it.
        (self.home / "closed").touch(mode=0)
        with base.locked(self._shared("key.lock")):
            key = sshd.make_key(self._shared("key"), "client")
        sshd.make_key(self.home / "host_key", self.name)
        shutil.copy(Path(__file__).parent / "inside/session.pl", run / "shell")
        (run / "shell").chmod(0o755)
        settings = {
            "hostname": self.hostname,
            "key": key,
            "model": self.MODEL,
            "base": str(self._shared("base")),
            "state": self._state,
        }
        words = namespace.outer(
            (self.directory, self._shared_directory), run, attached=self.attached
        )
        words += ["/bin/sh", "-c", _LAUNCH, "sh", namespace.QUEUE_KEY]
        words += [host_program("faked-sysv"), base.fakeroot_library()]
        words += [sys.executable, "-m", "sandbox.target.process"]
        environment = {
            **os.environ,
            "FAKEROOTDONTTRYCHOWN": "1",
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(self._shared("pycache")),
            "SANDBOX_SETTINGS": json.dumps(settings),
            "SANDBOX_SPEED": str(speed),
        }
        log_file = self.home / "machine.log"
        logged = log_file.stat().st_size if log_file.exists() else 0
        with log_file.open("a") as log:
            self._process = subprocess.Popen(
                [*words, str(self.home), str(self._wanted_port())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], _START_SECONDS)
        line = self._process.stdout.readline() if ready else ""
        self._process.stdout.close()
        if not line.strip().isdigit():
            self._process.kill()
            self._process.wait()
            self._process = None
            raise ServerError(self._why_not(logged))
        (self.home / "port").write_text(line)
        (self.home / "pid").write_text(f"{self._process.pid}\n")
        with base.locked(self.directory / ".lock"):
            self._write_ssh_config()
        return self

    def stop(self) -> None:
        """Saves the state and ends all processes of the server; nothing if it does not run."""
        if self.running:
            watch = os.pidfd_open(int((self.home / "pid").read_text()))
            with contextlib.suppress(ServerError, OSError, EOFError):
                self._ask("stop")
            select.select([watch], [], [], _START_SECONDS)
            os.close(watch)
            (self.home / "pid").unlink(missing_ok=True)
        if self._process is not None:
            self._process.wait(_START_SECONDS)
            self._process = None
        # Nobody but root could copy the directory of a stopped server with this file in it.
        (self.home / "closed").unlink(missing_ok=True)

    @property
    def running(self) -> bool:
        """Whether the server's process answers."""
        with contextlib.suppress(OSError, ServerError, EOFError):
            return bool(self._ask("ping"))
        return False

    @property
    def port(self) -> int:
        """The port of 127.0.0.1 that its ssh answers on."""
        return int((self.home / "port").read_text())

    def ssh_config(self) -> Path:
        """The ssh_config(5) file with all servers of the directory."""
        return self.directory / "ssh_config"

    def ssh(
        self, command: str, *, user: str = "root", stdin: bytes = b"", options: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs a command through the real ssh client."""
        words = ["ssh", "-F", str(self.ssh_config()), *options, f"{user}@{self.name}", command]
        return subprocess.run(words, input=stdin, capture_output=True, check=False)

    def run(
        self, command: str, *, user: str = "root", stdin: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs a command with the account's shell but without ssh; it is not counted."""
        text = base64.b64encode(stdin).decode()
        rc, stdout, stderr = self._ask("run", command=command, user=user, stdin=text)
        outputs = (base64.b64decode(stdout), base64.b64decode(stderr))
        return subprocess.CompletedProcess(command, rc, *outputs)

    def executions(self) -> list[Execution]:
        """The ssh executions that have ended, oldest first."""
        log = self.home / "ssh.log"
        if not log.exists():
            return []
        return [Execution(**json.loads(line)) for line in log.read_text().splitlines()]

    def record(self, module: str) -> list[str]:
        """The lines that the model's programs noted below /usr/libexec/sandbox/record."""
        place = self.home / "record" / module
        return place.read_text().splitlines() if place.exists() else []

    def fault(self, name: str, *arguments: str) -> None:
        """Switches a failure of faults.py on."""
        self._ask("fault", fault=[name, *arguments])

    def clear(self, name: str | None = None) -> None:
        """Switches off the failures of that name, or all."""
        self._ask("clear", name=name)

    def faults(self) -> list[list[str]]:
        """The failures that are on, each a name and its arguments."""
        faults: list[list[str]] = self._ask("faults")
        return faults

    def unmodelled(self) -> list[str]:
        """What the model did not know, in the server's whole life: no test may pass with any."""
        saved = self.home / "state.json"
        state = self.state() if self.running else json.loads(saved.read_text())
        return [*state.get("unmodelled", {}).get("met", []), *self.record("unmodelled")]

    def state(self) -> dict[str, Any]:
        """The models' data."""
        state: dict[str, Any] = self._ask("state")
        return state

    def read(self, path: str) -> bytes:
        """A file of the server."""
        return base64.b64decode(self._ask("read", path=path))

    def write(
        self, path: str, content: bytes | str, mode: int = 0o644, owner: tuple[int, int] = (0, 0)
    ) -> None:
        """Writes a file of the server, as somebody who is logged in there could."""
        raw = content.encode() if isinstance(content, str) else content
        self._ask(
            "write", path=path, content=base64.b64encode(raw).decode(), mode=mode, owner=owner
        )

    def remove(self, path: str) -> None:
        """Removes a file or directory of the server."""
        self._ask("remove", path=path)

    def snapshot(self, without: Collection[str] = ("/var/log", "/tmp")) -> dict[str, Any]:
        """Every path with its mode, owner and content's checksum, to compare before and after."""
        entries: dict[str, Any] = self._ask("snapshot", without=list(without))
        return entries

    def _ask(self, action: str, **more: object) -> Any:
        """The control socket's answer; OSError if there is none, ServerError for a refusal."""
        directory = os.open(self.home / "run", os.O_PATH)
        try:
            with socket.socket(socket.AF_UNIX) as peer:
                # By way of /proc, since the path of a socket has 107 bytes at most.
                peer.connect(f"/proc/self/fd/{directory}/control.sock")
                wire.send_json(peer, {"do": action, **more})
                answer = wire.receive_json(peer)
        finally:
            os.close(directory)
        if "error" in answer:
            raise ServerError(f"{self.name}: {action}: {answer['error']}")
        return answer["value"]

    def _why_not(self, logged: int) -> str:
        """Why the server did not start: what was logged since, and what to do about it."""
        said = (self.home / "machine.log").read_text()[logged:]
        hint = ""
        if "uid map" in said or "namespace" in said:
            hint = (
                "bubblewrap may not make namespaces here; where the kernel can, allow it, as root: "
                "sysctl kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu) or "
                "sysctl kernel.unprivileged_userns_clone=1 (Debian)\n"
            )
        return f"{self.name} does not start:\n{said}{hint}"

    def _shared(self, name: str) -> Path:
        self._shared_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._shared_directory / name

    def _wanted_port(self) -> int:
        """The port of last time, so that an ssh_config stays true; 0 for any if it is taken."""
        with contextlib.suppress(OSError, ValueError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", self.port))
            return self.port
        return 0

    def _write_ssh_config(self) -> None:
        """Writes ssh_config and known_hosts for all servers of the directory that have a port."""
        blocks, known = [], []
        for place in sorted(self.directory.glob("*/port")):
            name = place.parent.name
            public = (place.parent / "host_key.pub").read_text().split()[:2]
            known.append(f"{name} {' '.join(public)}\n")
            blocks.append(
                sshd.client_config(
                    name,
                    place.read_text().strip(),
                    user="root",
                    key=self._shared("key"),
                    known=self.directory / "known_hosts",
                )
            )
        _replace(self.directory / "known_hosts", "".join(known))
        _replace(self.ssh_config(), "".join(blocks))


def _replace(place: Path, text: str) -> None:
    fresh = place.with_name(f"{place.name}.{os.getpid()}")
    fresh.write_text(text)
    fresh.replace(place)
