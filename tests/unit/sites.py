# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A fleet and an inventory in a temporary directory, and Ansible's own programs run on them."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible_forks.client import Forks

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWcDBLMPu1WXn8+HKzegEKOQcDWqg3nfjnKqxlbiAyR"

SERVERS: dict[str, dict[str, Any]] = {
    "server1": {
        "vmm_mac_prefix": "fe:e1:bb:d1:c6",
        "vmm_ipv4_network": "203.0.113.0/24",
        "vmm_ipv4_gateway": "203.0.113.1",
        "vmm_ipv4_range": ["203.0.113.10", "203.0.113.200"],
    },
    "server2": {
        "vmm_mac_prefix": "fe:e1:bb:d1:c8",
        "vmm_ipv4_network": "198.51.100.0/24",
        "vmm_ipv4_gateway": "198.51.100.1",
    },
}


# Without any secret.
VARIABLES = {name: value for name, value in os.environ.items() if "VAULT" not in name} | {
    "ANSIBLE_CONFIG": str(Path(__file__).parents[1] / "ansible.cfg"),
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_RETRY_FILES_ENABLED": "0",
}
FORKS = Forks(VARIABLES)
WITH_INVENTORY = ("ansible", "ansible-inventory", "ansible-playbook")


def decoded(text: str) -> dict[str, Any]:
    """What ansible-inventory says; it may mark strings that are no templates."""
    listed: dict[str, Any] = json.loads(
        text, object_hook=lambda each: each.get("__ansible_unsafe", each)
    )
    return listed


@dataclass(frozen=True)
class Site:
    """A small site: two servers, VMs as the test wants them, a vault secret."""

    root: Path

    @property
    def inventory(self) -> Path:
        return self.root / "inventory"

    @property
    def fleet(self) -> Path:
        return self.root / "fleet"

    @property
    def secret(self) -> Path:
        return self.root / "vault-password"

    def vm(self, name: str, **fields: Any) -> None:
        content = {"server": "server1", "owner": "puffy", "ssh_keys": [KEY]}
        content["hostname"] = f"{name}.example.org"
        (self.fleet / f"vms/{name}.yml").write_text(yaml.safe_dump(content | fields))

    def ledger(self, server: str = "server1") -> Path:
        return self.fleet / f"allocations/{server}.yml"

    def set(self, file: str, **variables: Any) -> None:
        """Set variables in a file of group_vars/ or host_vars/, without the others in it."""
        path = self.inventory / f"{file}.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(variables))

    def run(self, program: str, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run one of Ansible's programs on the inventory, without any secret unless given."""
        inventory: tuple[str, ...] = ("-i", str(self.inventory))
        if program not in WITH_INVENTORY or "-i" in args:
            inventory = ()
        words = (program, *inventory, *args)
        return FORKS.run(words, self.root, VARIABLES | environment)

    def host(self, name: str, *args: str) -> dict[str, Any]:
        done = self.run("ansible-inventory", "--host", name, *args)
        assert done.returncode == 0, done.stderr
        return decoded(done.stdout)

    def play(
        self, *tasks: dict[str, Any], args: tuple[str, ...] = (), secret: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run these tasks once, for the servers."""
        play = {
            "name": "A test",
            "hosts": "vmd_servers",
            "gather_facts": False,
            "tasks": [{"run_once": True} | task for task in tasks],
        }
        (self.root / "play.yml").write_text(yaml.safe_dump([play]))
        vault = ("--vault-password-file", str(self.secret)) if secret else ()
        return self.run("ansible-playbook", "play.yml", *vault, *args)

    def files(self) -> dict[str, tuple[int, bytes]]:
        """All files of the fleet but the lock: their time of last change and content."""
        return {
            str(path.relative_to(self.fleet)): (path.stat().st_mtime_ns, path.read_bytes())
            for path in sorted(self.fleet.rglob("*"))
            if path.is_file() and path.name != ".lock"
        }


def make_site(tmp_path: Path) -> Site:
    """Two servers without VMs."""
    made = Site(tmp_path)
    (made.fleet / "vms").mkdir(parents=True)
    made.inventory.mkdir()
    made.secret.write_text("open sesame\n")
    hosts: dict[str, Any] = {"vmd_servers": {"hosts": {server: {} for server in SERVERS}}}
    (made.inventory / "hosts.yml").write_text(yaml.safe_dump(hosts))
    (made.inventory / "vmm.yml").write_text("plugin: puffy.vmm.vms\nfleet: ../fleet\n")
    made.set("group_vars/vmd_servers", vmm_domain="example.org", vmm_dns_servers=["192.0.2.53"])
    for server, variables in SERVERS.items():
        made.set(f"host_vars/{server}", **variables)
    return made
