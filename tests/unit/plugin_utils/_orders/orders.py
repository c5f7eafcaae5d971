# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A fleet directory, orders for it, and bin/check-vm run on them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.inventory_copy import (
    Inventory,
)
from unit.fleets import KEY, OTHER_KEY, SERVERS, ledger, vm

CHECKOUT = Path(__file__).parents[4]
PROGRAM = CHECKOUT / "bin/check-vm"
LINE = "web1: {number: 7, mac: fe:e1:bb:d1:c8:07, ipv4: 203.0.113.16, ipv6: 2001:db8:6::16}"


def order(**fields: Any) -> dict[str, Any]:
    """An order of a new owner; None takes a field out."""
    whole = {
        "name": "new1",
        "owner": "mira",
        "hostname": "new1.example.org",
        "ssh_keys": [OTHER_KEY],
    } | fields
    return {name: value for name, value in whole.items() if value is not None}


@dataclass(frozen=True)
class Answer:
    status: int
    problems: list[dict[str, str]]
    operator: str

    @property
    def fields(self) -> list[str]:
        return [problem["field"] for problem in self.problems]

    @property
    def messages(self) -> str:
        return "\n".join(problem["message"] for problem in self.problems)


@dataclass(frozen=True)
class Orders:
    """The fleet directory: web1 of puffy on server6, which is in the ledger."""

    fleet: Path

    def make(self) -> Orders:
        for folder in ("vms", "orders", "allocations"):
            (self.fleet / folder).mkdir(parents=True)
        self.write("vms/web1.yml", vm())
        self.write("allocations/server6.yml", ledger(LINE))
        self.inventory(SERVERS)
        return self

    def write(self, name: str, text: str) -> None:
        (self.fleet / name).parent.mkdir(exist_ok=True)
        (self.fleet / name).write_text(text)

    def inventory(self, servers: Mapping[str, Mapping[str, object]]) -> None:
        names = frozenset({*servers, "monitor", "all", "vms"})
        accounts = {name: {"deploy": "the account that Ansible logs in to"} for name in servers}
        self.write("inventory.json", Inventory(servers, accounts, names).render())

    def check(self, body: object, *words: str) -> Answer:
        """Check what comes by standard input: bytes, text, or what is to be JSON."""
        if not isinstance(body, bytes | str):
            body = json.dumps(body)
        content = body.encode() if isinstance(body, str) else body
        return self.run("--fleet", str(self.fleet), *words, "-", content=content)

    def run(
        self,
        *words: str,
        content: bytes = b"",
        through: Sequence[str] = (),
        program: Path = PROGRAM,
    ) -> Answer:
        done = subprocess.run(
            [*through, sys.executable, str(program), *words],
            input=content,
            capture_output=True,
            timeout=60,
            check=False,
            env={"LC_ALL": "C"},
            cwd="/",
        )
        said = done.stderr.decode()
        assert "Traceback" not in said, said
        return Answer(done.returncode, json.loads(done.stdout or b"null"), said)

    def files(self) -> dict[str, str]:
        return {
            str(path.relative_to(self.fleet)): path.read_text()
            for path in sorted(self.fleet.rglob("*"))
            if path.is_file()
        }


__all__ = ["KEY", "LINE", "OTHER_KEY", "Orders", "order"]
