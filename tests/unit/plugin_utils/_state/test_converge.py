# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A run for one server: look, plan, carry out, and what is said of it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent import answers
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Applied, ApplyError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Change, Step
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.transaction import Transaction
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.converge import (
    Converger,
    Outcome,
    look,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import Document
from unit.plugin_utils._state.servers import Server, service, wants

BIOS = "/etc/firmware/vmm-bios"


@dataclass
class FakeAgent:
    """A server behind an agent: what it was asked and given is kept."""

    server: Server = field(default_factory=Server)
    unfinished: bool = False
    uid: int = 0
    uname: str = "OpenBSD 7.8"
    fails: str | None = None
    asked: list[set[str]] = field(default_factory=list)
    looked: list[t.Any] = field(default_factory=list)
    given: list[Transaction] = field(default_factory=list)

    def probe(self, asks: t.Mapping[str, t.Any]) -> answers.Answer:
        self.asked.append(set(asks))
        raw = {key: self.server.raw(questions) for key, questions in asks.items()}
        applied = "20261129T030000-0badcafe"
        return answers.Answer(
            t.cast(t.Any, raw), applied, None, self.unfinished, self.uid, "mira", self.uname
        )

    def look(self, questions: t.Any) -> dict[str, t.Any]:
        self.looked.append(questions)
        return self.server.raw(questions)

    def apply(self, transactions: t.Sequence[Transaction], reconnect: t.Any = None) -> Applied:
        self.given += transactions
        if self.unfinished:
            self.unfinished = False
            return Applied(warnings=("/etc/x was left as it is",))
        names = [transaction.name for transaction in transactions]
        kept = {"b": "/var/backups/puffy.vmm/1"}
        if self.fails is None:
            return Applied(tuple(names), kept)
        place = [i for i, one in enumerate(transactions) if _titles(one, self.fails)][0]
        raise ApplyError("it failed", self.fails, Applied(tuple(names[:place])))


def _titles(transaction: Transaction, text: str) -> bool:
    return any(text in step.title for step in transaction.steps)


FIRST = wants("a", files=[{"path": "/etc/x", "content": "new\n"}])
SECOND = wants("b", files=[{"path": "/etc/y", "content": "new\n"}], confirm=30)
NEEDS = wants(
    "b",
    firmware=[{"path": BIOS, "driver": "vmm"}],
    files=[{"path": "/etc/y", "content": "new\n"}],
)


def run(
    agent: FakeAgent, *documents: Document, shown: list[str] | None = None, **more: t.Any
) -> Outcome:
    settings = {key: more.pop(key) for key in ("check_mode", "diff", "compare") if key in more}
    show = [] if shown is None else shown
    converger = Converger(t.cast(t.Any, agent), show.append, "server1", **settings)
    seen = look(t.cast(t.Any, agent), documents, check_mode=settings.get("check_mode", False))
    return converger.carry_out(documents, seen, **more)


def test_one_look_and_one_request_for_all_documents() -> None:
    agent, shown = FakeAgent(), list[str]()
    outcome = run(agent, FIRST, SECOND, shown=shown)
    assert agent.asked == [{"a/files", "b/files"}]
    assert [(one.name, one.confirm) for one in agent.given] == [("a", None), ("b", 30)]
    assert shown == [
        "server1  a  create /etc/x", "server1  b  create /etc/y",
        "server1  b  old files are kept in /var/backups/puffy.vmm/1",
    ]  # fmt: skip
    result = outcome.result(diffs=False)
    assert result["changed"] is True
    assert result["changes"] == ["create /etc/x", "create /etc/y"]
    assert result["details"][1] == {
        "document": "b", "change": "create /etc/y", "consequence": False,
    }  # fmt: skip
    assert result["last_applied"] == "2026-11-29T03:00:00Z"
    assert "diff" not in result


def test_nothing_is_sent_where_nothing_differs() -> None:
    agent = FakeAgent(Server({"/etc/x": "new\n"}))
    result = run(agent, FIRST, diff=True).result(diffs=True)
    assert (agent.given, agent.looked) == ([], [])
    assert (result["changed"], result["changes"], result["diff"]) == (False, [], [])


def test_check_mode_changes_nothing() -> None:
    agent, shown = FakeAgent(Server({"/etc/x": "old\n"})), list[str]()
    result = run(agent, FIRST, shown=shown, check_mode=True, diff=True).result(diffs=True)
    assert agent.given == []
    assert shown == ["server1  a  would change /etc/x"]
    assert agent.looked == [{"paths": [{"path": "/etc/x", "read": 1}]}]
    assert [(one["before"], one["after"]) for one in result["diff"]] == [("old\n", "new\n")]


@pytest.mark.parametrize(
    ("agent", "message"),
    [
        (FakeAgent(uname="Linux 6.1"), "the server runs Linux, not OpenBSD"),
        (FakeAgent(uname=""), "the server runs an unknown system, not OpenBSD"),
        (FakeAgent(uid=1000), "needs root on the server, and the connection is that of mira"),
    ],
)
def test_servers_that_are_not_ours_to_change(agent: FakeAgent, message: str) -> None:
    with pytest.raises(OperatorError, match=message):
        run(agent, FIRST)
    assert agent.given == []


def test_a_run_that_was_cut_off_is_undone_first() -> None:
    agent = FakeAgent(unfinished=True)
    outcome = run(agent, FIRST)
    assert len(agent.asked) == 2
    assert [one.name for one in agent.given] == ["a"]
    assert outcome.warnings == (
        "an earlier run was cut off on this server; it was undone first",
        "/etc/x was left as it is",
    )
    agent = FakeAgent(unfinished=True)
    outcome = run(agent, FIRST, check_mode=True)
    assert agent.given == []
    assert outcome.warnings == (
        "an earlier run was cut off on this server; the next one undoes it",
    )


def test_after_a_failure_only_what_was_done_is_shown_as_done() -> None:
    agent, shown = FakeAgent(fails="/etc/y"), list[str]()
    with pytest.raises(ApplyError):
        run(agent, FIRST, NEEDS, shown=shown)
    # What must be there before all documents was done, and is in the name of the one that failed.
    assert [one.name for one in agent.given] == ["b", "a", "b"]
    assert shown == ["server1  b  fetch firmware vmm", "server1  a  create /etc/x"]


def test_transactions_of_others_go_before_and_after() -> None:
    def of(name: str, kind: str) -> Transaction:
        return Transaction(name, (Step("run", "x", {"argv": []}, change=Change(kind, name)),))

    agent = FakeAgent()
    outcome = run(agent, FIRST, before=[of("web1", "stop")], after=[of("db1", "start")])
    assert [one.name for one in agent.given] == ["web1", "a", "db1"]
    assert outcome.result(diffs=False)["changes"] == ["stop web1", "create /etc/x", "start db1"]


def test_a_run_for_some_vms_touches_nothing_else() -> None:
    agent = FakeAgent()
    with pytest.raises(OperatorError) as error:
        run(agent, FIRST, only=["web2", "web1"])
    assert str(error.value).startswith(
        "this run is for web1, web2 alone, but it would also touch: create /etc/x."
    )
    assert "allow it with -e others=allow" in str(error.value)
    assert error.value.fields == {"others": ["create /etc/x"]}
    assert agent.given == []
    with pytest.raises(OperatorError):
        run(agent, FIRST, only=["web1"], check_mode=True)
    mine = wants("a", files=[{"path": "/etc/x", "content": "", "vms": ["web1"]}])
    run(agent, mine, only=["web1"])
    assert [one.name for one in agent.given] == ["a"]


def test_what_cannot_be_had_stops_all_or_is_compared_with_the_rest() -> None:
    agent = FakeAgent()
    bad = wants("bad", files=[{"path": "/opt/x", "content": ""}])
    with pytest.raises(OperatorError, match="the directory /opt does not exist"):
        run(agent, bad, FIRST)
    assert agent.given == []
    result = run(agent, bad, FIRST, check_mode=True, compare=True).result(diffs=False)
    assert result["changes"] == ["create /etc/x"]
    assert [error["document"] for error in result["errors"]] == ["bad"]


def test_notices_and_pending_restarts() -> None:
    firmware = {"path": BIOS, "driver": "vmm", "missing": "ignore", "without": "x"}
    document = wants("vmd", firmware=[firmware])
    outcome = run(FakeAgent(), document)
    text = f"{BIOS}: is missing: x until you run 'fw_update -d vmm' and 'fw_update vmm' there"
    assert outcome.warnings == (f"vmd: {text}",)
    assert outcome.result(diffs=False)["notices"] == [{"document": "vmd", "text": text}]
    result = replace(outcome, pending=("web1",)).result(diffs=False)
    assert result["pending_restart"] == ["web1"]


def test_secrets_are_masked_in_all_that_is_shown() -> None:
    path = "once-" + "ab" * 16
    shown: list[str] = []
    document = wants("a", directories=[{"path": f"/etc/{path}"}])
    outcome = run(FakeAgent(), document, shown=shown, diff=True)
    text = str(outcome.result(diffs=True)) + str(shown)
    assert path not in text
    assert "create directory /etc/once-..." in text


def test_more_questions_ride_along() -> None:
    agent = FakeAgent(Server(outputs=service("vmd")))
    asks: dict[str, t.Any] = {
        "vms": {"run": [{"name": "x", "argv": ["/usr/sbin/rcctl", "check", "vmd"]}]}
    }
    seen = look(t.cast(t.Any, agent), [FIRST], asks)
    assert agent.asked == [{"a/files", "vms"}]
    assert seen.answers["vms"].runs["x"].rc == 0
    assert seen.raw["vms"]["run"]["x"]["stdout"] == "vmd(ok)\n"
