# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What can be measured, each a table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from bench import files, fleets
from bench.results import Row
from bench.rounds import Plan, Subject, measure
from bench.usage import measured
from sandbox.server import Server

FORKS = 10
# Guests and daemons of stand-ins wait as much shorter as that.
_SPEED = 100
_SITE = "puffy.vmm.site"

Run = Callable[[Plan, Path | None], list[Row]]


@dataclass(frozen=True)
class Table:
    """A table: its title, and what measures its rows with a plan and the venv of other tools.

    Without that, they are left out.
    """

    title: str
    run: Run


def _files(plan: Plan, peers: Path | None) -> list[Row]:
    with files.target(plan.directory, peers, plan.files) as on:
        return measure(files.subjects(on, modes=True), plan)


def _latency(milliseconds: int) -> Run:
    def run(plan: Plan, peers: Path | None) -> list[Row]:
        with files.target(plan.directory, peers, plan.files, milliseconds) as on:
            return measure(files.subjects(on, modes=False), plan)

    return run


def _site(servers: int) -> Run:
    def run(plan: Plan, _peers: Path | None) -> list[Row]:
        with _stand_ins(plan.directory, servers) as stand_ins:
            shared = {"ansible_ssh_common_args": f"-F {stand_ins[0].ssh_config()}"}
            site = fleets.make(plan.directory / "site", servers, shared)
            command = ["ansible-playbook", "-i", str(site.inventory), "--forks", str(FORKS)]
            began = measured(
                [*command, _SITE],
                plan.directory / "first.log",
                limit=plan.limit,
                cwd=plan.directory,
                environment={},
            )
            plan.say(f"the first {_SITE} of {servers} servers: {began.wall:.0f} s")
            raw = plan.directory / "raw.yml"
            raw.write_text(_raw_play("vmd_servers"))
            return measure(_site_subjects(command, raw, stand_ins), plan)

    return run


def _site_subjects(command: list[str], raw: Path, servers: Sequence[Server]) -> list[Subject]:
    base = "one raw task"
    ours = "site.yml, unchanged"
    count = len(servers) * fleets.VMS_PER_SERVER
    modes = (["--check"], ["--diff"], ["--check", "--diff"])
    return [
        Subject(base, [*command, str(raw)], servers=servers),
        Subject(ours, [*command, _SITE], compared_with=base, count=count, servers=servers),
        *(
            Subject(
                f"{ours} {' '.join(words)}",
                [*command, _SITE, *words],
                compared_with=ours,
                servers=servers,
            )
            for words in modes
        ),
        Subject("check.yml", [*command, "puffy.vmm.check"], compared_with=base, servers=servers),
    ]


@contextmanager
def _stand_ins(directory: Path, count: int) -> Iterator[list[Server]]:
    with ExitStack() as stack:
        stand_ins = []
        for name in fleets.server_names(count):
            server = Server(directory / "servers", name)
            server.start(speed=_SPEED)
            stack.callback(server.stop)
            stand_ins.append(server)
        yield stand_ins


def _raw_play(hosts: str) -> str:
    task = {"name": "Do nothing", "ansible.builtin.raw": "true", "changed_when": False}
    return yaml.safe_dump([{"hosts": hosts, "gather_facts": False, "tasks": [task]}])


def _fleet(vms: int) -> Run:
    def run(plan: Plan, _peers: Path | None) -> list[Row]:
        servers = vms // fleets.VMS_PER_SERVER
        site = fleets.make(plan.directory / f"fleet{vms}", servers, {})
        source = ["-i", str(site.inventory)]
        playbook = ["ansible-playbook", *source, "puffy.vmm.allocate"]
        model = [sys.executable, "-m", "bench.model", str(site.directory), str(servers)]
        return measure(
            [
                Subject("allocate.yml, first", playbook, prepare=site.forget_ledgers, count=vms),
                Subject("allocate.yml, unchanged", playbook, count=vms),
                Subject("read, check and allocate, without Ansible", model, count=vms),
                Subject(
                    "ansible-inventory --list", ["ansible-inventory", *source, "--list"], count=vms
                ),
                Subject(
                    "ansible-inventory --host NAME",
                    ["ansible-inventory", *source, "--host", fleets.vm_name(1, 1)],
                ),
            ],
            plan,
        )

    return run


STAGES: Final[Mapping[str, Mapping[str, Table]]] = {
    "files": {"files": Table("{files} files on one server", _files)},
    "site": {
        f"site{count}": Table(
            f"site.yml, {count} servers with {fleets.VMS_PER_SERVER} VMs each, {FORKS} forks",
            _site(count),
        )
        for count in (2, 10, 40)
    },
    "fleet": {
        f"fleet{count}": Table(f"Inventory and allocation of {count:,} VMs", _fleet(count))
        for count in (1000, 10000)
    },
    "latency": {
        f"latency{count}": Table(
            f"{{files}} files on one server, {count} ms of round trip further away",
            _latency(count),
        )
        for count in (20, 50)
    },
}
