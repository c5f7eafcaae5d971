# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What is fetched of a release directory, when a run gives up, and how files come into place."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import EVERYBODYS, Step, digest
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import PathFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import DocumentError
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Job
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import Document
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import Plan
from unit.plugin_utils._state.servers import DIRECTORY, Server, changes, plan_on, wants

SETS = "/sets"
KEY = "/etc/signify/openbsd-78-base.pub"
PARTIAL = f"{SETS}/.partial"


def mirror(**fields: t.Any) -> dict[str, t.Any]:
    item = {"directory": SETS, "url": "http://mirror/78", "names": ["bsd", "base78.tgz"]}
    return {**item, "key": KEY, **fields}


def sets(**fields: t.Any) -> Document:
    return wants(mirrors=[mirror(**fields)])


FILE = PathFacts("file", "0644", "root", "wheel")
UNSIGNED = {"verify": "none", "key": None}
SUMS = {"bsd": digest(b"kernel"), "base78.tgz": digest(b"base")}


def signify(directory: str = SETS) -> str:
    return f"signify -V -e -q -p {KEY} -x {directory}/SHA256.sig -m -"


def listing(sums: t.Mapping[str, str]) -> str:
    return "".join(f"SHA256 ({name}) = {sha256}\n" for name, sha256 in sums.items())


def now(files: t.Mapping[str, str], sums: t.Mapping[str, str] | None = None) -> Server:
    """A server with these files, and a list that signify(1) verifies where `sums` are given."""
    things: dict[str, t.Any] = {SETS: DIRECTORY, PARTIAL: DIRECTORY}
    things |= {f"{SETS}/{name}": text for name, text in files.items()}
    found = (1, "") if sums is None else (0, listing(sums))
    return Server(things, {signify(): found})


ALL = {"bsd": "kernel", "base78.tgz": "base"}
CASES: dict[str, tuple[Document, Server, list[str]]] = {
    "nothing is there": (sets(), now({}), ["bsd", "base78.tgz"]),
    "all is there": (sets(), now(ALL, SUMS), []),
    "one is not as the list has it": (sets(), now({**ALL, "bsd": "other"}, SUMS), ["bsd"]),
    "one is not in the list": (sets(), now(ALL, {"bsd": SUMS["bsd"]}), ["base78.tgz"]),
    "files without a list that can be believed": (sets(), now(ALL), ["bsd", "base78.tgz"]),
    "what nobody lists is right when it is there": (
        sets(**UNSIGNED), now({"bsd": "whatever"}), ["base78.tgz"],
    ),
    "a list that nobody signed": (
        sets(verify="sha256", key=None), now({**ALL, "SHA256": listing(SUMS), "bsd": "x"}), ["bsd"],
    ),
    "a name that comes twice": (sets(names=["bsd", "bsd"]), now({}), ["bsd"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_wanted(name: str) -> None:
    document, server, names = CASES[name]
    made = plan_on(document, server)
    assert changes(made) == [f"fetch {SETS}/{file}" for file in names]
    assert {change.vms for _name, change in made.changes} <= {EVERYBODYS}


LEFT: dict[str, tuple[dict[str, t.Any], list[str]]] = {
    "signed": ({}, []),
    "unsigned": (UNSIGNED, [f"remove {SETS}/SHA256.sig"]),
    "with a list that nobody signed": (
        {"verify": "sha256", "key": None}, [f"remove {SETS}/SHA256.sig"],
    ),
    "signed with the operator's own key": (
        {**UNSIGNED, "names": ["bsd", "base78.tgz", "SHA256.sig"]}, [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT)
def test_no_old_list_is_left_for_the_installer_to_believe(name: str) -> None:
    fields, made = LEFT[name]
    files = {**ALL, "SHA256": listing(SUMS), "SHA256.sig": "of the release"}
    assert changes(plan_on(sets(**fields), now(files, SUMS))) == made


class FakeAgent:
    """A server that answers a fetch with what a test says, in this order."""

    def __init__(self, *answers: t.Mapping[str, t.Any], server: Server | None = None) -> None:
        self.answers = list(answers)
        self.server = server or Server()
        self.requests: list[dict[str, t.Any]] = []
        self.applied: list[Step] = []

    def fetch(self, request: dict[str, t.Any]) -> list[dict[str, t.Any]]:
        self.requests.append(request)
        given = {"rc": 0, "stderr": "", "size": 1, "begun": False, **self.answers.pop(0)}
        return [given]

    def look(self, questions: dict[str, t.Any]) -> dict[str, t.Any]:
        return self.server.raw(questions)

    def carry_out(self, name: str, steps: t.Iterable[Step]) -> None:
        self.applied += steps


DONE: t.Final = {"state": "done"}
ONE = plan_on(sets(names=["bsd"]), now({}, SUMS))


def job(made: Plan) -> Job:
    (found,) = made.parts[0].jobs
    return found


def run(agent: FakeAgent, made: Plan = ONE) -> list[str]:
    """Fetches, and returns the lines that were shown."""
    shown: list[str] = []
    job(made).carry_out(agent, shown.append)
    return [line.partition(" [")[0] for line in shown]


def test_a_line_for_each_file_and_more_for_a_large_one() -> None:
    more = {"state": "more", "rc": 124, "size": 3 << 20}
    agent = FakeAgent(more, {**more, "size": 5 << 20}, {**DONE, "size": 6 << 20})
    lines = ["bsd 3 MiB so far", "bsd 5 MiB so far", "bsd is here, 6 MiB"]
    assert run(agent) == lines
    (file,) = agent.requests[0]["files"]
    assert file["sha256"] == SUMS["bsd"]
    assert file["argv"][-3:] == ["-o", f"{PARTIAL}/bsd", "http://mirror/78/bsd"]
    assert "-C" not in file["argv"]
    assert "-C" in file["resume"]


GIVES_UP: dict[str, tuple[list[dict[str, t.Any]], str]] = {
    "nothing comes any more": (
        [{"state": "more", "rc": 124, "size": 5}] * 5, "nothing more arrived after",
    ),
    "not there": (
        [{"state": "failed", "rc": 1, "size": 0, "stderr": "ftp: Error retrieving x: 404"}],
        "http://mirror/78/bsd was not fetched: ftp: Error retrieving x: 404",
    ),
    "cut off again and again at one place": (
        [{"state": "failed", "rc": 1, "size": 5, "stderr": "ftp: Reading from socket"}] * 2,
        "The part that arrived is kept",
    ),
    "full": (
        [{"state": "failed", "rc": 1, "size": 0,
          "stderr": "ftp: Writing x: No space left on device"}],
        "/sets has no room for it; the part that arrived was removed",
    ),
    "wrong": ([{"state": "wrong", "size": 9}], "does not match its list of checksums"),
}  # fmt: skip


@pytest.mark.parametrize("name", GIVES_UP)
def test_when_a_run_gives_up(name: str) -> None:
    answers, message = GIVES_UP[name]
    agent = FakeAgent(*answers)
    with pytest.raises(OperatorError) as failure:
        run(agent)
    assert message in str(failure.value)
    assert agent.answers == []


def test_a_transfer_that_is_cut_continues() -> None:
    cut = {"state": "failed", "rc": 1, "stderr": "ftp: Reading from socket"}
    agent = FakeAgent({**cut, "size": 5}, {**cut, "size": 9}, {**DONE, "size": 12})
    assert run(agent)[-1] == "bsd is here, 12 B"


def test_a_server_that_begins_again_gets_the_time_for_all_of_it() -> None:
    agent = FakeAgent({"state": "more", "rc": 124, "size": 5, "begun": True}, DONE)
    run(agent)
    first, second = (request["seconds"] for request in agent.requests)
    assert first < 60
    assert second > 3600


def test_what_is_replaced_is_kept_until_nothing_can_fail() -> None:
    made = plan_on(sets(names=["bsd"]), now({"bsd": "other"}, SUMS))
    put = job(made).carry_out(FakeAgent(DONE), lambda _line: None)
    moves = [(step.fields["from"], step.fields["path"]) for step in put if step.do == "rename"]
    assert moves == [
        (f"{SETS}/bsd", f"{PARTIAL}/bsd.replaced"), (f"{PARTIAL}/bsd", f"{SETS}/bsd"),
    ]  # fmt: skip
    assert put[-1].fields["argv"] == ["/bin/rm", "-f", f"{PARTIAL}/bsd.replaced"]
    assert [str(step.change) for step in put if step.change] == [f"fetch {SETS}/bsd"]


def test_what_was_fetched_is_put_into_place_before_the_rest_of_its_document() -> None:
    document = wants(mirrors=[mirror(names=["bsd"])], files=[{"path": "/etc/x", "content": ""}])
    made = plan_on(document, now({}, SUMS))
    put = job(made).carry_out(FakeAgent(DONE), lambda _line: None)
    (transaction,) = made.transactions({"r": put})
    assert [step.do for step in transaction.steps] == ["rename", "verified", "stage", "commit"]


def test_what_was_verified_is_recorded_once_without_a_change() -> None:
    server = now(ALL, SUMS)
    (step,) = plan_on(sets(), server).parts[0].steps
    assert (step.do, step.change) == ("verified", None)
    assert step.fields["files"] == {f"{SETS}/{name}": SUMS[name] for name in ALL}
    known = {f"{SETS}/{name}": replace(FILE, sha256=SUMS[name], verified=1) for name in ALL}
    assert plan_on(sets(), server.plus(known)).parts[0].steps == ()
    # Where nothing is verified there is nothing to record.
    assert plan_on(sets(**UNSIGNED), now(ALL)).parts[0].steps == ()


def test_the_place_of_what_is_not_whole_is_roots_alone() -> None:
    agent = FakeAgent(DONE)
    server = Server({SETS: DIRECTORY}, {signify(): (0, listing(SUMS))})
    run(agent, plan_on(sets(names=["bsd"]), server))
    assert [(step.fields["path"], step.fields["mode"]) for step in agent.applied] == [
        (PARTIAL, "0700")
    ]


def test_a_list_is_fetched_first_where_there_is_none_to_believe() -> None:
    believed = {signify(PARTIAL): (0, listing(SUMS))}
    agent = FakeAgent(DONE, DONE, server=Server(outputs=believed))
    made = plan_on(sets(names=["bsd"]), now({}))
    put = job(made).carry_out(agent, lambda _line: None)
    fetched = [request["files"][0]["path"] for request in agent.requests]
    assert fetched == [f"{PARTIAL}/SHA256.sig", f"{PARTIAL}/bsd"]
    assert "resume" not in agent.requests[0]["files"][0]
    assert agent.requests[1]["files"][0]["sha256"] == SUMS["bsd"]
    moved = [step.fields["path"] for step in put if step.do == "rename"]
    assert moved == [f"{SETS}/bsd", f"{SETS}/SHA256.sig"]


def test_files_that_a_list_proves_right_are_not_fetched_again() -> None:
    believed = {signify(PARTIAL): (0, listing(SUMS))}
    agent = FakeAgent(DONE, DONE, server=Server(outputs=believed))
    job(plan_on(sets(), now({"bsd": "kernel"}))).carry_out(agent, lambda _line: None)
    fetched = [request["files"][0]["path"] for request in agent.requests]
    assert fetched == [f"{PARTIAL}/SHA256.sig", f"{PARTIAL}/base78.tgz"]


def test_nothing_of_a_mirror_is_used_that_openbsd_did_not_sign() -> None:
    agent = FakeAgent(DONE, server=Server(outputs={signify(PARTIAL): (1, "")}))
    with pytest.raises(OperatorError, match="cannot be verified with /etc/signify"):
        run(agent, plan_on(sets(), now({})))


def test_a_name_that_a_list_does_not_have() -> None:
    agent = FakeAgent()
    with pytest.raises(OperatorError, match=r"has no base79.tgz; its list has base78.tgz, bsd"):
        run(agent, plan_on(sets(names=["base79.tgz"]), now({}, SUMS)))


REFUSED: dict[str, tuple[dict[str, t.Any], str]] = {
    "another scheme": ({"url": "ftp://mirror/x"}, "is not a directory to fetch from"),
    "a password": ({"url": "http://me:secret@mirror/x"}, "is not a directory to fetch from"),
    "an option": ({"url": "-o"}, "is not a directory to fetch from"),
    "a query": ({"url": "http://mirror/x?y"}, "is not a directory to fetch from"),
    "no name": ({"names": []}, "no files to fetch are named"),
    "a path for a name": ({"names": ["../bsd"]}, "'../bsd' is not a name of a set"),
    "an option for a name": ({"names": ["-o"]}, "'-o' is not a name of a set"),
    "no key": ({"key": None}, "signify needs a key"),
    "a key for nothing": ({"verify": "none"}, "nothing else has one"),
    "a key that is not a path": ({"key": "key.pub"}, "'key.pub' is not a valid path on a server"),
    "a directory that is not a path": ({"directory": "sets"}, "is not a valid path on a server"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_documents_that_cannot_be_meant(name: str) -> None:
    values, message = REFUSED[name]
    with pytest.raises(DocumentError) as error:
        sets(**values)
    assert message in str(error.value)
