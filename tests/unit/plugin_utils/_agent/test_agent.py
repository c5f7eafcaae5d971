# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The client with the real program behind it, in a namespace in place of a connection."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import (
    Agent,
    Applied,
    ApplyError,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step, digest, run
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.transaction import Transaction
from unit.agent_host import ME, Host, put, request, sh, until


class Connection:
    """Runs what Agent sends on a host, and counts it; `cut` are the executions that never answer.

    Of a cut one the server sees either nothing, or all of it.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.executions = 0
        self.reconnects: list[int] = []
        self.cut: dict[int, bool] = {}

    def execute(self, command: str, in_data: bytes) -> t.Mapping[str, t.Any]:
        assert command == "/usr/bin/perl -"
        self.executions += 1
        if self.cut.get(self.executions) is False:
            return {"rc": 255, "stdout": "", "stderr": "client_loop: send disconnect\x1b[2J\n"}
        process = self.host.start(in_data)
        assert process.stdout
        out = process.stdout.read().decode()
        process.stdout.close()
        if self.executions in self.cut:
            out = "\n"
        return {"rc": process.wait(60), "stdout": out, "stderr": ""}

    def reconnect(self) -> None:
        self.reconnects.append(self.executions)


@pytest.fixture
def connection(tmp_path: Path) -> Connection:
    return Connection(Host(tmp_path))


@pytest.fixture
def agent(connection: Connection) -> Agent:
    return Agent(connection.execute)


def writes(name: str, path: str, content: str, before: str | None = None) -> tuple[Step, ...]:
    was = [None if before is None else digest(before.encode())]
    fields = {"path": path, "before": was}
    return (
        Step("stage", f"{name}: {path}", {**fields, **ME}, content=content.encode()),
        Step("commit", f"{name}: {path}", {**fields, "sha256": digest(content.encode())}),
    )


def fails(name: str, script: str = "echo no way >&2; exit 3") -> Step:
    return run(f"{name}: it", ["/bin/sh", "-c", script])


def test_many_transactions_are_one_execution(connection: Connection, agent: Agent) -> None:
    (connection.host.srv / "a").write_text("old")
    applied = agent.apply(
        [
            Transaction("sysctl", writes("sysctl", "/srv/a", "new", "old"), stays=True),
            Transaction("nothing", ()),
            Transaction("tap", writes("tap", "/srv/b", "b")),
        ]
    )
    assert applied.done == ("sysctl", "tap")
    (kept,) = applied.kept.items()
    assert kept[0] == "sysctl"
    assert kept[1] == "/var/backups/puffy.vmm/1"
    assert connection.executions == 1
    assert connection.host.tree() == {"a": b"new", "b": b"b"}


def test_each_that_is_confirmed_is_one_execution_more(connection: Connection, agent: Agent) -> None:
    applied = agent.apply(
        [
            Transaction("sysctl", writes("sysctl", "/srv/a", "a")),
            Transaction("network", writes("network", "/srv/b", "b"), confirm=20),
            Transaction("pf", writes("pf", "/srv/c", "c"), confirm=20),
            Transaction("vmd", writes("vmd", "/srv/d", "d")),
        ],
        connection.reconnect,
    )
    assert applied.done == ("sysctl", "network", "pf", "vmd")
    assert (connection.executions, connection.reconnects) == (3, [1, 2])
    assert list(connection.host.tree()) == ["a", "b", "c", "d"]
    assert agent.probe({}).unfinished is False


def test_the_last_one_may_be_confirmed_too(connection: Connection, agent: Agent) -> None:
    steps = writes("pf", "/srv/c", "c")
    assert agent.apply([Transaction("pf", steps, confirm=20)], connection.reconnect).done == ("pf",)
    assert connection.executions == 2
    assert agent.probe({}).unfinished is False


def test_a_failure_says_what_failed_and_what_stays(connection: Connection, agent: Agent) -> None:
    (connection.host.srv / "a").write_text("old")
    with pytest.raises(ApplyError) as caught:
        agent.apply(
            [
                Transaction("sysctl", writes("sysctl", "/srv/a", "new", "old"), stays=True),
                Transaction("network", writes("network", "/srv/b", "b"), confirm=20),
                Transaction("accounts", (*writes("accounts", "/srv/c", "c"), fails("accounts"))),
                Transaction("vmd", writes("vmd", "/srv/d", "d")),
            ],
            connection.reconnect,
        )
    error = caught.value
    assert isinstance(error, OperatorError)
    assert (error.failed, error.done) == ("accounts", ("sysctl", "network"))
    assert str(error) == (
        "accounts: it: exit status 3\nno way\n"
        "accounts failed and was put back; done before it and kept: sysctl, network."
    )
    assert error.fields["done"] == ["sysctl", "network"]
    assert list(t.cast(dict[str, str], error.fields["old_files"])) == ["sysctl"]
    assert connection.host.tree() == {"a": b"new", "b": b"b"}


def test_a_failure_of_the_first_says_that_all_is_as_before(agent: Agent) -> None:
    with pytest.raises(ApplyError) as caught:
        agent.apply([Transaction("vmd", (fails("vmd"),))])
    assert str(caught.value) == "vmd: it: exit status 3\nno way\nThe server is as it was before."
    assert caught.value.fields == {}


def test_a_way_back_that_fails_or_leaves_something_is_not_called_complete(
    connection: Connection, agent: Agent
) -> None:
    back = {"argv": ["/bin/sh", "-c", "echo stuck >&2; exit 1"], "ok": [0]}
    stuck = run("vmd: one", ["/bin/sh", "-c", "true"], undo=[back])
    with pytest.raises(ApplyError, match=r"NOT all of it could be put back: vmd: one: .*stuck"):
        agent.apply([Transaction("vmd", (stuck, fails("vmd")))])
    assert agent.apply([]).warnings != ()
    edit = fails("vmd", "echo edited >/srv/a; exit 1")
    with pytest.raises(ApplyError) as caught:
        agent.apply([Transaction("vmd", (*writes("vmd", "/srv/a", "a"), edit))])
    assert "Put back, except what somebody else changed or used since: /srv/a" in str(caught.value)
    assert "as it was before" not in str(caught.value)


def test_nothing_of_a_request_that_has_to_wait_too_long_is_begun(
    connection: Connection, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "ask", _impatient(agent))
    host = connection.host
    with (
        host.under_way(request(sh("exec sleep 30")), host.begun(0)),
        pytest.raises(ApplyError) as caught,
    ):
        agent.apply([Transaction("vmd", writes("vmd", "/srv/a", "a"))])
    assert "another run is changing this server: a test since" in str(caught.value)
    assert str(caught.value).endswith("\nNothing was changed.")
    assert caught.value.failed == "vmd"


def _impatient(agent: Agent) -> t.Callable[..., dict[str, t.Any]]:
    ask = agent.ask
    return lambda wire, contents=b"": ask({**wire, "lock_wait": 0}, contents)


def test_a_change_that_was_not_confirmed_says_so(connection: Connection, agent: Agent) -> None:
    (connection.host.srv / "a").write_text("old")

    def late() -> None:
        until(lambda: (connection.host.srv / "a").read_text() == "old")

    with pytest.raises(ApplyError) as caught:
        agent.apply(
            [
                Transaction("sysctl", writes("sysctl", "/srv/b", "b")),
                Transaction("network", writes("network", "/srv/a", "new", "old"), confirm=1),
                Transaction("vmd", writes("vmd", "/srv/d", "d")),
            ],
            late,
        )
    assert "network: the change was not confirmed: nothing waits for" in str(caught.value)
    assert (caught.value.failed, caught.value.done) == ("network", ("sysctl",))
    assert connection.host.tree() == {"a": b"old", "b": b"b"}


@pytest.mark.parametrize("arrived", [False, True])
@pytest.mark.parametrize("execution", [1, 2])
def test_a_connection_that_is_lost_promises_nothing(
    connection: Connection, agent: Agent, execution: int, arrived: bool
) -> None:
    connection.cut = {execution: arrived}
    with pytest.raises(ApplyError) as caught:
        agent.apply(
            [
                Transaction("network", writes("network", "/srv/a", "a"), confirm=3),
                Transaction("vmd", writes("vmd", "/srv/d", "d")),
            ],
            connection.reconnect,
        )
    assert "did not run /usr/bin/perl - as expected" in str(caught.value)
    assert "It is not known how far the server came with network" in str(caught.value)
    assert "as it was before" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert caught.value.done == ()


def test_an_empty_list_puts_back_what_was_cut_off(connection: Connection, agent: Agent) -> None:
    host = connection.host
    assert agent.apply([]) == Applied()
    (host.srv / "a").write_text("old")
    (host.srv / "b").write_text("0")
    steps = [*put("/srv/a", "new", "old"), *put("/srv/b", "1", "0"), sh("exec sleep 60")]
    host.kill(request(*steps, name="dhcpd"), host.begun(4))
    (host.srv / "b").write_text("\x1b]0;theirs")
    assert agent.probe({}).unfinished is True
    (warning,) = agent.apply([Transaction("none", ())]).warnings
    assert "dhcpd of a test was cut off and was undone, except" in warning
    assert "/srv/b (old files: /var/backups/puffy.vmm/2026" in warning
    assert (host.srv / "a").read_text() == "old"
    assert agent.apply([]) == Applied()


def test_a_checker_names_the_file_as_the_operator_knows_it(agent: Agent) -> None:
    stage, commit = writes("dhcpd", "/srv/dhcpd.conf", "bad")
    script = 'echo "$1:3: syntax \x1b[31merror\u202e" >&2; exit 1'
    check = run("dhcpd: refuses it", ["/bin/sh", "-c", script, "sh", {"path": "/srv/dhcpd.conf"}])
    with pytest.raises(ApplyError) as caught:
        agent.apply([Transaction("dhcpd", (stage, check, commit))])
    # What a program says does not reach the operator's terminal as it is.
    assert r"/srv/dhcpd.conf:3: syntax \x1b[31merror\u202e" in str(caught.value)


def test_a_probe_is_typed_and_an_error_is_the_operators(agent: Agent) -> None:
    answer = agent.probe({"one": {"paths": [{"path": "/srv"}]}, "two": {"groups": ["root"]}})
    path = answer["one"]["paths"]["/srv"]
    assert path is not None
    assert path["type"] == "directory"
    assert answer["two"]["groups"] == {"root": ""}
    assert (answer.uid, answer.user, answer.system) == (0, "root", "Linux")
    assert answer.release
    assert answer.applied is None
    with pytest.raises(OperatorError, match="the server could not be examined: .*/etc"):
        agent.probe({"": {"paths": [{"path": "/etc/" + "x" * 999}]}})


def test_notes_name_the_run_and_not_the_worker_of_a_task(connection: Connection) -> None:
    assert Agent(connection.execute, 7).by.endswith(", process 7")
    assert Agent(connection.execute).by.endswith(f", process {os.getpid()}")
