# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a run asks of a server and makes it do, in order, from where an earlier run was cut off."""

from __future__ import annotations

import base64
import json
import typing as t
from dataclasses import dataclass, field, replace

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.core.journal import (
    JOURNAL,
    MARKER,
    NOTES,
    RAN,
    Journal,
    Phase,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.core.plan import Do, Request
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.core.seen import (
    ANSWERS,
    UPGRADE_KERNEL,
    parse,
    questions,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.run import Server, Upgrade
from unit.machines import machine

HEAD = "   ID   PID VCPUS  MAXMEM  CURMEM     TTY        OWNER    STATE NAME\n"
CUT = Journal(Phase.PREPARING, "mira@desk, process 7", release="7.8", patches=("78-001_a",))
FILE: dict[str, t.Any] = {"type": "file", "mode": "0600", "mtime": 1, "blocks": 1}


@dataclass
class Target:
    """A server, as far as an upgrade sees it; `says` has what programs do, by their words.

    An erratum is in `kept` once it can be reverted; `done` are the commands of steps.
    """

    kept: list[str]
    journal: Journal | None = CUT
    files: dict[str, dict[str, t.Any]] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    vm_conf: str = ""
    says: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    waits: list[list[str]] = field(default_factory=list)

    def said(self, argv: t.Sequence[str]) -> dict[str, t.Any]:
        words = " ".join([argv[0].rpartition("/")[2], *argv[1:]])
        left = self.says.get(words, [])
        rc, text = left.pop(0) if left else (0, "")
        return {"rc": rc, "stdout": "" if rc else text, "stderr": text if rc else ""}

    def answer(self, asks: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        read = {"/etc/vm.conf": self.vm_conf.encode(), "/etc/rc.vmm": RAN.encode()}
        if self.journal:
            read[JOURNAL] = bytes(self.journal)
        paths = {f"/var/syspatch/{name}/rollback.tgz": FILE for name in self.kept}
        run = {one["name"]: self.said(one["argv"]) for one in asks.get("run", ())}
        if "status" in run:
            run["status"]["stdout"] = HEAD
        return {
            "paths": {**paths, **self.files},
            "read": {path: base64.b64encode(text).decode() for path, text in read.items()},
            "list": self.lists,
            "run": run,
        }

    def execute(self, command: str, in_data: bytes) -> dict[str, t.Any]:
        assert command == "/usr/bin/perl -"
        front, _, data = in_data.partition(b"__END__\n")[2].partition(b"\n")
        request = json.loads(data[: int(front.split()[0])])
        answer = self.probe(request) if request["verb"] == "probe" else self.apply(request)
        return {"rc": 0, "stdout": json.dumps(answer), "stderr": ""}

    def probe(self, request: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        answers = {key: self.answer(asks) for key, asks in request["asks"].items()}
        nothing = dict.fromkeys(("applied", "generation"))
        user = {"uid": 0, "user": "root", "uname": "OpenBSD 7.8"}
        return {"answers": answers, "unfinished": False, **nothing, **user}

    def apply(self, request: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        (transaction,) = request["transactions"]
        for number, step in enumerate(transaction["steps"]):
            if step["do"] == "wait":
                self.waits.append(step["argv"])
            if step["do"] != "run":
                continue
            result = self.said(step["argv"])
            self.done.append(" ".join(step["argv"]).rpartition("bin/")[2])
            if result["rc"]:
                failed = {"id": transaction["id"], "step": number, "text": result["stderr"]}
                return {"done": [], "failed": {**failed, "problems": [], "left": [], "kept": None}}
            if self.done[-1] == "syspatch -r":
                self.kept.pop()
        return {"done": [{"id": transaction["id"], "kept": None}], "recovered": None}


def upgrade(target: Target, *machines: Machine, **request: t.Any) -> tuple[Upgrade, list[str]]:
    said: list[str] = []
    agent = Agent(target.execute, 7)
    asks = Request(by=CUT.by, **request)
    server = Server(
        "server1", agent, agent, lambda asks: (target.answer(asks), "7.8"), lambda: None
    )
    return Upgrade(server, machines, asks, said.append), said


def fails(target: Target) -> tuple[str, list[str]]:
    run, said = upgrade(target)
    with pytest.raises(OperatorError) as error:
        run.carry_out()
    return str(error.value), said


NO_ROUTE = (1, "syspatch: no route to host")


def test_without_the_mirror_no_erratum_is_reverted() -> None:
    target = Target(["78-001_a", "78-002_b"], says={"syspatch -c": [NO_ROUTE]})
    error, _said = fails(target)
    assert "no route to host; run again to continue" in error
    assert not [words for words in target.done if "syspatch" in words]


def test_what_was_reverted_is_said_and_nothing_older_is_reverted() -> None:
    """The mirror dies between the two programs, again and again."""
    target = Target(["78-001_a", "78-002_b"], says={"syspatch": [NO_ROUTE] * 3})
    error, said = fails(target)
    assert "No VM was stopped; run again to continue" in error
    assert target.done == ["touch /var/run/puffy.vmm.upgrade", "syspatch -r", "syspatch"]
    assert said == ["server1  upgrade  run syspatch -r to revert 78-002_b, which may be incomplete"]
    for _run in range(2):
        _error, said = fails(target)
        assert said == []
    assert target.kept == ["78-001_a"]


def test_an_erratum_that_cannot_be_reverted() -> None:
    target = Target(["78-002_b"], says={"syspatch -r": [(1, "tar: failed")]})
    error, _said = fails(target)
    assert "If /var/syspatch/78-002_b/rollback.tgz is damaged, remove its directory" in error
    assert target.done[-1] == "syspatch -r"


def test_only_the_link_of_roots_kernel_is_waited_for() -> None:
    target = Target(["78-001_a"], says={"syspatch": [NO_ROUTE]})
    fails(target)
    assert target.waits == [["/usr/bin/pgrep", "-u", "root", "-xf", "/bin/ksh .*reorder_kernel"]]


DEFINED = 'vm "web1" {\n\tdisable\n}\nvm "db1" {\n\tdisable\n}\n'


def test_vms_run_while_a_release_is_prepared_again() -> None:
    """Somebody removed /bsd.upgrade after the VMs were stopped for it, and suspended db1."""
    ran = {"web1": True, "db1": True}
    journal = replace(CUT, phase=Phase.STOPPED, to="7.9", ran=ran)
    fetch = "sysupgrade -n -R 7.9"
    target = Target([], journal, {MARKER: FILE, ANSWERS: FILE}, vm_conf=DEFINED)
    target.says[fetch] = [(1, "sysupgrade: no route to host")]
    run, _said = upgrade(target, machine(), machine(name="db1", state="suspended"), to="7.9")
    with pytest.raises(OperatorError, match="no route to host\nNo VM was stopped"):
        run.carry_out()
    assert target.done == ["vmctl start web1", f"rm -f {RAN}", f"touch {MARKER}", fetch]


def test_a_mail_that_would_not_arrive_is_not_sent() -> None:
    target = Target([], None, vm_conf=DEFINED, says={"syspatch -c": [(0, "002_b\n")]})
    machines = machine(), machine(name="db1", owner="Mira")
    run, said = upgrade(target, *machines, announce_hours=48)
    assert run.carry_out().do == Do.ANNOUNCE
    assert target.done == ["mail -s Your VMs will be restarted puffy"]
    assert "server1  upgrade  not notified: Mira: smtpd(8) looks for an account in lower" in said[0]
    assert said[1] == "server1  upgrade  mail puffy"


def test_what_a_server_shows() -> None:
    """An erratum without its old files was never installed; one of another release is gone."""
    lists = {"/var/syspatch": ["77-001_z", "78-001_a", "78-003_c"], NOTES: [
        "backup-db1.hold", "backup-db1.lock", "backup-web1.lock", "backup-web1.status", "lock",
    ]}  # fmt: skip
    target = Target(["77-001_z", "78-010_b-c", "78-001_a"], lists=lists)
    target.files = {UPGRADE_KERNEL: {**FILE, "mode": "0700"}}
    target.files["/var/syspatch/78-003_c/003_c.patch.sig"] = FILE
    seen = parse(target.answer(questions([])), [], "7.8")
    assert seen.patches == ("78-001_a", "78-010_b-c")
    assert seen.held == ("db1",)
    assert not seen.armed
    target.files[ANSWERS] = FILE
    assert parse(target.answer(questions([])), [], "7.8").armed
