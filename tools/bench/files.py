# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Many files on one server: puffy.vmm.host_state, a task that does nothing, and other tools."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from bench.account import NAME, Account, account
from bench.latency import far_away
from bench.rounds import Subject
from bench.usage import CommandFailed
from sandbox.server import Server

SERVER = "server1"
_DIRECTORY = "/etc/bench"
_RAW = "puffy.vmm's server, one raw task"
_OURS = "puffy.vmm"
_STATES = ("unchanged", "first")

_PLAYS = {
    "raw": [{"name": "Do nothing", "ansible.builtin.raw": "true", "changed_when": False}],
    "ours": [
        {
            "name": "Write the files",
            "puffy.vmm.host_state": {"name": "bench", "files": "{{ bench_files }}"},
        }
    ],
    "copy": [
        {
            "name": "Write the files",
            "ansible.builtin.copy": {
                "dest": "{{ item.path }}",
                "content": "{{ item.content }}",
                "mode": "0644",
            },
            "loop": "{{ bench_files }}",
            "loop_control": {"label": "{{ item.path }}"},
        }
    ],
}
# pyinfra takes an inventory and operations as Python programs.
_PYINFRA_INVENTORY = """\
servers = [("{name}", {data!r})]
"""
_PYINFRA_DEPLOY = """\
import io
import json

from pyinfra.operations import files

with open("{files}") as source:
    for file in json.load(source):
        files.put(src=io.StringIO(file["content"]), dest=file["path"], mode="644")
"""


@dataclass(frozen=True)
class Target:
    """Where the files go: the stand-in for our side, the account for those who need Python."""

    directory: Path
    server: Server
    server_port: int
    account: Account
    account_port: int
    peers: Path | None
    count: int

    @property
    def account_directory(self) -> Path:
        return self.account.home / "bench"

    def ansible(self, play: str, *words: str) -> list[str]:
        inventory = self.directory / f"{play.partition('-')[0]}-hosts.yml"
        return [
            "ansible-playbook",
            "-i",
            str(inventory),
            str(self.directory / f"{play}.yml"),
            *words,
        ]


@contextmanager
def target(directory: Path, peers: Path | None, count: int, delay: int = 0) -> Iterator[Target]:
    """Both sides, delay milliseconds of round trip away; peers is the venv of others."""
    directory.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        server = Server(directory / "servers", SERVER)
        server.start(speed=100)
        stack.callback(server.stop)
        peer = stack.enter_context(account(directory / "account"))
        ports = [server.port, peer.port]
        if delay:
            ports = [stack.enter_context(far_away(port, delay)) for port in ports]
        made = Target(directory, server, ports[0], peer, ports[1], peers, count)
        _write(made)
        yield made


def contents(count: int) -> Iterable[tuple[str, str]]:
    """Names and texts, about 1 KiB each."""
    for number in range(count):
        lines = (f"option-{line} value {number * 7919 + line * 104729}\n" for line in range(40))
        yield f"part{number:03}.conf", f"# part {number}\n" + "".join(lines)


def subjects(on: Target, *, modes: bool) -> list[Subject]:
    """All that is measured; with modes also check mode and --diff."""
    ours = _ours(on, "unchanged"), _ours(on, "first")
    chosen = [Subject(_RAW, on.ansible("raw"), servers=[on.server]), *ours]
    if modes:
        for state in _STATES:
            for words in (["--check"], ["--diff"], ["--check", "--diff"]):
                chosen.append(_ours(on, state, *words))
    chosen.append(Subject("ordinary account, one raw task", on.ansible("copy-raw")))
    return [*chosen, *_peers(on)]


def _ours(on: Target, state: str, *words: str) -> Subject:
    return Subject(
        f"{_OURS}, {state} {' '.join(words)}".strip(),
        on.ansible("ours", *words),
        compared_with=f"{_OURS}, {state}" if words else _RAW,
        prepare=partial(_set_server, on, full=state == "unchanged"),
        verify=partial(
            _verify,
            on.server.root / _DIRECTORY[1:],
            0 if state == "first" and "--check" in words else on.count,
        ),
        servers=[on.server],
    )


def _peers(on: Target) -> Iterator[Subject]:
    for name, words, environment in _tools(on):
        for state in _STATES:
            yield Subject(
                f"{name}, {state}",
                words,
                compared_with=f"{_OURS}, {state}",
                environment=environment,
                prepare=partial(_set_account, on, full=state == "unchanged"),
                verify=partial(_verify, on.account_directory, on.count),
            )


def _tools(on: Target) -> Iterator[tuple[str, list[str], dict[str, str]]]:
    """Names, commands and environments of other tools."""
    yield "ansible.builtin.copy", on.ansible("copy"), {"ANSIBLE_PIPELINING": "true"}
    if on.peers is None:
        return
    pyinfra = ["env", "-u", "PYTHONPATH", str(on.peers / "bin/pyinfra"), "-y"]
    yield "pyinfra", [*pyinfra, "pyinfra_inventory.py", "pyinfra_deploy.py"], {}
    (plugins,) = on.peers.glob("lib/python*/site-packages/ansible_mitogen/plugins/strategy")
    mitogen = {"ANSIBLE_STRATEGY_PLUGINS": str(plugins), "ANSIBLE_STRATEGY": "mitogen_linear"}
    yield "Mitogen, copy", on.ansible("copy"), mitogen


def _set_server(on: Target, *, full: bool) -> None:
    on.server.run(f"rm -rf {_DIRECTORY}; mkdir {_DIRECTORY}")
    if full:
        for name, text in contents(on.count):
            on.server.write(f"{_DIRECTORY}/{name}", text)


def _set_account(on: Target, *, full: bool) -> None:
    place = on.account_directory
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    if full:
        for name, text in contents(on.count):
            (place / name).write_text(text)
            (place / name).chmod(0o644)


def _verify(place: Path, count: int) -> None:
    """Raises CommandFailed where a command left other files than these."""
    there = {path.name: path.read_text() for path in place.iterdir()}
    if there != dict(contents(count)):
        raise CommandFailed(f"{place} has not the {count} files that it should")


def _write(on: Target) -> None:
    """Writes inventories and plays."""
    _write_ansible(
        on, ["raw", "ours"], SERVER, on.server.ssh_config(), on.server_port, _DIRECTORY, {}
    )
    _write_ansible(
        on,
        ["copy"],
        NAME,
        on.account.ssh_config,
        on.account_port,
        str(on.account_directory),
        # What ansible-core would look for, which costs it an execution.
        {"ansible_python_interpreter": os.path.realpath(sys.executable)},
    )
    shutil.copy(on.directory / "raw.yml", on.directory / "copy-raw.yml")
    data = {
        "ssh_hostname": "127.0.0.1",
        "ssh_port": on.account_port,
        "ssh_user": NAME,
        "ssh_key": str(on.account.key),
        "ssh_known_hosts_file": str(on.account.known_hosts),
        "ssh_strict_host_key_checking": "accept-new",
    }
    (on.directory / "pyinfra_inventory.py").write_text(
        _PYINFRA_INVENTORY.format(name=NAME, data=data)
    )
    (on.directory / "pyinfra_deploy.py").write_text(
        _PYINFRA_DEPLOY.format(files=on.directory / "pyinfra_files.json")
    )
    (on.directory / "pyinfra_files.json").write_text(
        json.dumps(_files(on.account_directory, on.count))
    )


def _write_ansible(
    on: Target,
    plays: Iterable[str],
    name: str,
    config: Path,
    port: int,
    directory: str,
    variables: dict[str, str],
) -> None:
    for play in plays:
        hosts = {
            "ansible_ssh_common_args": f"-F {config}",
            "ansible_port": port,
            **variables,
            "bench_files": _files(Path(directory), on.count),
        }
        inventory = {"all": {"hosts": {name: hosts}}}
        (on.directory / f"{play}-hosts.yml").write_text(yaml.safe_dump(inventory))
        content = [{"hosts": "all", "gather_facts": False, "tasks": _PLAYS[play]}]
        (on.directory / f"{play}.yml").write_text(yaml.safe_dump(content, sort_keys=False))


def _files(directory: Path, count: int) -> list[dict[str, str]]:
    return [{"path": f"{directory}/{name}", "content": text} for name, text in contents(count)]
