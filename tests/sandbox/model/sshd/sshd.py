# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""sshd(8): the configuration that it has read, and its check of another one.

The daemon itself is OpenSSH's own, run for each connection (target/sshd.py). It takes from the
server's configuration what decides where keys are: the blocks that begin with Match.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from sandbox.model.rc.daemon import Daemon, Outcome
from sandbox.target.base import host_program, real_environment
from sandbox.target.call import Call, Handler, NotModelled, Result

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

CONFIGURATION = "/etc/ssh/sshd_config"


class Sshd(Daemon):
    """The daemon: it reads its file when it starts, and on SIGHUP."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine, "sshd")

    def start(self) -> None:
        """The first boot."""
        if "loaded" not in self.state:
            self.launch(())

    def launch(self, flags: tuple[str, ...]) -> Outcome:
        super().launch(flags)
        return self.reload()

    def reload(self) -> Outcome:
        self.state["loaded"] = self.machine.files.read_text(CONFIGURATION)
        return Outcome()

    def test(self, path: str = CONFIGURATION) -> Outcome:
        """What OpenSSH says of a file, with the path that it has on the server."""
        host_path = str(self.machine.files.resolve(path))
        key = str(self.machine.root.parent / "host_key")
        words = [host_program("sshd"), "-t", "-f", host_path, "-h", key]
        result = subprocess.run(
            words, capture_output=True, text=True, check=False, env=real_environment()
        )
        return Outcome(result.returncode == 0, stderr=result.stderr.replace(host_path, path))

    def match_blocks(self) -> str:
        """The blocks that begin with Match, with key files as paths of the host."""
        lines: list[str] = []
        for line in self.state["loaded"].splitlines():
            words = line.split()
            if words[:1] == ["Match"]:
                lines.append(line)
            elif lines and words[:1] == ["AuthorizedKeysFile"]:
                lines.append(f'AuthorizedKeysFile "{self.machine.root}{words[1]}"')
        return "".join(f"{line}\n" for line in lines)


def sshd(machine: Machine, call: Call) -> Result:
    if len(call.argv) != 4 or call.argv[1:3] != ("-t", "-f"):
        raise NotModelled(" ".join(call.argv[1:]))
    outcome = machine.sshd.test(call.argv[3])
    return Result(0 if outcome.ok else 255, "", outcome.stderr)


COMMANDS: dict[str, Handler] = {"/usr/sbin/sshd": sshd}
