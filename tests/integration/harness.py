# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The example inventory and fleet, copied, with servers that ansible-playbook reaches by ssh."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from ansible_forks.client import Forks, Run

from sandbox.model.sets import index_line, release_files
from sandbox.server import Execution, Server

CHECKOUT = Path(__file__).parents[2]
SERVER_ROLES: list[str] = yaml.safe_load(
    (CHECKOUT / "playbooks/vars/server_roles.yml").read_text()
)["server_roles"]
# Before all roles, to see which VMs are being installed.
LOOK = 1
# What the stand-in and a failed run may write: logs, old files, notes of what was promised.
_GROWS = (
    "/var/log",
    "/tmp",
    "/var/backups/puffy.vmm",
    "/var/run/sandbox.pledge",
    "/var/run/sandbox.unveil",
)
SERVERS = ("server1", "server2")
VARIABLES = {
    **os.environ,
    "ANSIBLE_CONFIG": str(CHECKOUT / "tests/ansible.cfg"),
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=15s",
    "ANSIBLE_VAULT_PASSWORD_FILE": str(CHECKOUT / "fleets/example/vault-password"),
}
FORKS = Forks(VARIABLES)


class Servers(Mapping[str, Server]):
    """The servers by name. Each starts when something first asks for it."""

    def __init__(self, made: Mapping[str, Server], speed: float) -> None:
        self._made, self._speed = made, speed
        self._started: set[str] = set()

    def __getitem__(self, name: str) -> Server:
        server = self._made[name]
        if name not in self._started:
            self._started.add(name)
            server.start(speed=self._speed)
        return server

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)

    @property
    def started(self) -> list[Server]:
        return [self._made[name] for name in sorted(self._started)]


@dataclass
class Site:
    """The example inventory and fleet, for a test to change, and its servers."""

    directory: Path
    servers: Mapping[str, Server]
    # Sockets have short names only, and pytest's directories have long ones.
    control_path: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def server1(self) -> Server:
        return self.servers["server1"]

    @property
    def fleet(self) -> Path:
        return self.directory / "fleets/example"

    def vm_file(self, name: str) -> Path:
        return self.fleet / f"vms/{name}.yml"

    @property
    def variables(self) -> dict[str, str]:
        """The environment of commands."""
        return {
            **VARIABLES,
            "ANSIBLE_SSH_CONTROL_PATH_DIR": self.control_path,
            "PUFFY_SANDBOX": str(self.server1.directory),
            **self.environment,
        }

    def _start_servers(self, *words: str) -> None:
        """Start those that a run may reach: one for a VM reaches no other server."""
        several = ("verb=status", "to=", "drain=", "left=")
        elsewhere = any(word.startswith(several) for word in words)
        if "server1" not in words and (words[0] != "vm" or elsewhere):
            list(self.servers.values())

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs a command with the inventory's directory as its own."""
        return FORKS.run(words, self.directory, self.variables)

    @contextmanager
    def under_way(self, playbook: str, *words: str) -> Iterator[Run]:
        """A playbook that runs meanwhile, and is killed in the end if it still does."""
        self._start_servers(playbook, *words)
        command = ("ansible-playbook", "-i", "inventories/example", f"puffy.vmm.{playbook}", *words)
        with (self.directory / "under_way.log").open("wb") as log:
            run = FORKS.start(command, self.directory, self.variables, log, log)
        try:
            yield run
        finally:
            run.kill()
            run.wait()

    def play(self, playbook: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs a playbook of the collection on the inventory."""
        self._start_servers(playbook, *words)
        inventory = ("-i", "inventories/example")
        return self.run("ansible-playbook", *inventory, f"puffy.vmm.{playbook}", *words)

    def role(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs a single role on server1."""
        play = self.directory / f"{name}.yml"
        play.write_text(f"- hosts: server1\n  gather_facts: false\n  roles: [puffy.vmm.{name}]\n")
        return self.run("ansible-playbook", "-i", "inventories/example", str(play), *words)

    def converged(self, *words: str) -> None:
        """Runs site.yml, which must succeed."""
        result = self.play("site", *words)
        assert result.returncode == 0, result.stdout + result.stderr

    def executions(self, name: str = "server1") -> list[Execution]:
        return self.servers[name].executions()


def state(server: Server) -> dict[str, object]:
    """All of a server that a failed run must leave as it was; logs and old files may grow."""
    return server.snapshot(without=_GROWS)


def recap(result: subprocess.CompletedProcess[str], server: str) -> dict[str, int]:
    """The line of a server in the recap: ok, changed, unreachable, failed ..."""
    (line,) = (x for x in result.stdout.splitlines() if x.startswith(f"{server} ") and "ok=" in x)
    return {key: int(value) for key, value in (w.split("=") for w in line.split()[2:])}


def messages(result: subprocess.CompletedProcess[str]) -> str:
    """All that was said, with lines joined as a person reads them."""
    return (result.stdout + result.stderr).replace("\\n", "\n")


def provide_system(server: Server, name: str) -> None:
    """Puts the image of a VM where it is, as if the VM had been installed before."""
    path = f"/var/vmm/{name}.qcow2"
    assert server.run(f"mkdir -p /var/vmm && vmctl create -s 20G {path}").returncode == 0
    server.write(path, server.read(path) + b"system\n" * (1 << 18))


def provide_sets(server: Server, release: str = "7.8") -> None:
    """Puts the stand-in release where httpd serves it from, as a mirror would."""
    files = release_files(release)
    index = "".join(index_line(name, len(files[name])) for name in sorted(files))
    for name, content in {**files, "index.txt": index.encode()}.items():
        server.write(f"/var/www/htdocs/amd64/{name}", content)
