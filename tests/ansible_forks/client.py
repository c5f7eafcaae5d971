# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Runs Ansible's programs without the time that their imports take.

A run has its own arguments, directory and environment, and ends like the program. It differs in
two ways. Runs of one test process share Ansible's temporary directory. And Ansible has read its
settings on import, so those must be the same for all runs, but for a few that it reads later.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ansible_forks import PROGRAMS

# The connection reads it when there is one.
READ_LATER = ("ANSIBLE_SSH_CONTROL_PATH_DIR",)
# No run takes that long.
_LIMIT_SECONDS = 600


def settings(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables that Ansible reads on import."""
    return {
        name: value
        for name, value in variables.items()
        if name.startswith("ANSIBLE_") and name not in READ_LATER
    }


@dataclass
class Run:
    """A run, with what tests need of subprocess.Popen."""

    pid: int
    _answers: socket.socket
    returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, negative for a signal. Raises TimeoutError."""
        if self.returncode is None:
            self._answers.settimeout(timeout)
            self.returncode = _number(self._answers)
            self._answers.close()
        return self.returncode

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except BlockingIOError:
            return None

    def send_signal(self, number: int) -> None:
        if self.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends it with all that it started: a worker of Ansible's has a session of its own."""
        if self.poll() is not None:
            return
        for pid in [self.pid, *_descendants(self.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    with suppress(FileNotFoundError, ProcessLookupError):
        listed = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
        children = [int(word) for word in " ".join(listed).split()]
        return [*children, *(each for child in children for each in _descendants(child))]
    return []


@dataclass(frozen=True)
class Forks:
    """Runs of which Ansible reads the settings in these variables of the environment."""

    variables: Mapping[str, str]

    def start(
        self,
        words: Sequence[str],
        cwd: Path,
        variables: Mapping[str, str],
        stdout: IO[Any],
        stderr: IO[Any],
    ) -> Run:
        """Starts a program such as ansible-playbook."""
        mine, theirs = socket.socketpair()
        request = json.dumps([words, str(cwd), dict(variables)]).encode()
        with theirs:
            fds = [each.fileno() for each in (theirs, stdout, stderr)]
            socket.send_fds(self._server, [request], fds)
        return Run(_number(mine), mine)

    def run(
        self, words: Sequence[str], cwd: Path, variables: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program to its end; without a fork if it is another one or has other settings.

        Raises TimeoutError or subprocess.TimeoutExpired for one that does not end.
        """
        if words[0] not in PROGRAMS or settings(variables) != settings(self.variables):
            return subprocess.run(
                words,
                cwd=cwd,
                env=variables,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=_LIMIT_SECONDS,
            )
        with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
            run = self.start(words, cwd, variables, stdout, stderr)
            try:
                status = run.wait(_LIMIT_SECONDS)
            except TimeoutError:
                run.kill()
                raise
            texts = [_text(each) for each in (stdout, stderr)]
        return subprocess.CompletedProcess(words, status, *texts)

    @functools.cached_property
    def _server(self) -> socket.socket:
        """The socket of a process that is started for the first run, and ends with this one."""
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "ansible_forks.server", str(theirs.fileno())],
                env=self.variables,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

        def end() -> None:
            mine.close()
            process.wait()

        atexit.register(end)
        return mine


def _number(answers: socket.socket) -> int:
    """The next line of the socket."""
    line = b""
    while not line.endswith(b"\n"):
        more = answers.recv(1)
        if not more:
            raise EOFError("the process that forks runs is gone")
        line += more
    return int(line)


def _text(file: IO[str]) -> str:
    file.seek(0)
    return file.read()
