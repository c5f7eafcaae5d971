# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What is fetched of a release directory, when a run gives up, and how files come into place."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.transaction import Transaction
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import (
    Document,
    DocumentError,
    Mirror,
    check,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.probe import Current, PathFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.mirrors import (
    Wanted,
    fetch,
    wanted,
)

SETS = "/sets"
KEY = "/etc/signify/openbsd-78-base.pub"
MIRROR = Mirror(SETS, "http://mirror/78", ("bsd", "base78.tgz"), "signify", KEY)
UNSIGNED = Mirror(SETS, "http://mirror/78", ("bsd", "base78.tgz"), "none")
SUMS = {"bsd": "a" * 64, "base78.tgz": "b" * 64}
DIRECTORY = PathFacts("directory", "0755", "root", "wheel", 512)


def file(sha256: str | None) -> PathFacts:
    return PathFacts("file", "0644", "root", "wheel", 1, sha256)


def now(
    facts: t.Mapping[str, PathFacts], sums: t.Mapping[str, str] | None = None, name: str = "sig"
) -> Current:
    paths: dict[str, PathFacts | None] = {SETS: DIRECTORY, f"{SETS}/.partial": DIRECTORY}
    paths |= {f"{SETS}/{name}": one for name, one in facts.items()}
    lists = {} if sums is None else {f"{SETS}/SHA256.{name}": sums}
    return Current(paths=paths, lists=lists)


CASES: dict[str, tuple[Mirror, Current, list[str]]] = {
    "nothing is there": (MIRROR, now({}), ["bsd", "base78.tgz"]),
    "all is there": (
        MIRROR, now({"bsd": file("a" * 64), "base78.tgz": file("b" * 64)}, SUMS), [],
    ),
    "one is not as the list has it": (
        MIRROR, now({"bsd": file("c" * 64), "base78.tgz": file("b" * 64)}, SUMS), ["bsd"],
    ),
    "one is not in the list": (
        MIRROR, now({"bsd": file("a" * 64), "base78.tgz": file("b" * 64)}, {"bsd": "a" * 64}),
        ["base78.tgz"],
    ),
    "files without a list that can be believed": (
        MIRROR, now({"bsd": file("a" * 64), "base78.tgz": file("b" * 64)}), ["bsd", "base78.tgz"],
    ),
    "what nobody lists is right when it is there": (
        UNSIGNED, now({"bsd": file(None)}), ["base78.tgz"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_wanted(name: str) -> None:
    mirror, current, names = CASES[name]
    found = [one for w in wanted(Document("r", mirrors=(mirror,)), current) for one in w.names]
    assert found == names


class FakeAgent:
    """A server that answers a fetch with what a test says, in this order."""

    def __init__(self, *answers: t.Mapping[str, t.Any]) -> None:
        self.answers = list(answers)
        self.requests: list[dict[str, t.Any]] = []
        self.applied: list[Step] = []

    def fetch(self, request: dict[str, t.Any]) -> list[dict[str, t.Any]]:
        self.requests.append(request)
        given = {"rc": 0, "stderr": "", "size": 1, "begun": False, **self.answers.pop(0)}
        return [given]

    def apply(self, transactions: t.Sequence[Transaction]) -> None:
        self.applied += [step for item in transactions for step in item.steps]


DONE: t.Final = {"state": "done"}
ONE = Wanted(MIRROR, ("bsd",), SUMS)


def run(agent: FakeAgent, what: Wanted = ONE, current: Current | None = None) -> list[str]:
    """Fetches, and returns the lines that were shown."""
    shown: list[str] = []
    fetch(agent, what, current or now({}, SUMS), shown.append)  # type: ignore[arg-type]
    return [line.partition(" [")[0] for line in shown]


def test_a_line_a_file_and_more_for_a_large_one() -> None:
    more = {"state": "more", "rc": 124, "size": 3 << 20}
    agent = FakeAgent(more, {**more, "size": 5 << 20}, {**DONE, "size": 6 << 20})
    lines = ["bsd 3.0 MiB so far", "bsd 5.0 MiB so far", "bsd is here, 6.0 MiB"]
    assert run(agent) == lines
    (file,) = agent.requests[0]["files"]
    assert file["sha256"] == "a" * 64
    assert file["argv"][-3:] == ["-o", "/sets/.partial/bsd", "http://mirror/78/bsd"]
    assert "-C" not in file["argv"]
    assert "-C" in file["resume"]


GIVES_UP: dict[str, tuple[list[dict[str, t.Any]], str]] = {
    "nothing comes any more": (
        [{"state": "more", "rc": 124, "size": 5}] * 5, "no more comes after",
    ),
    "not there": (
        [{"state": "failed", "rc": 1, "size": 0, "stderr": "ftp: Error retrieving x: 404"}],
        "http://mirror/78/bsd was not fetched: ftp: Error retrieving x: 404",
    ),
    "cut off again and again at one place": (
        [{"state": "failed", "rc": 1, "size": 5, "stderr": "ftp: Reading from socket"}] * 2,
        "What came so far is kept",
    ),
    "full": (
        [{"state": "failed", "rc": 1, "size": 0,
          "stderr": "ftp: Writing x: No space left on device"}],
        "/sets has no room for it; what came of it was removed",
    ),
    "wrong": ([{"state": "wrong", "size": 9}], "is not what its list of checksums says"),
}  # fmt: skip


@pytest.mark.parametrize("name", GIVES_UP)
def test_when_a_run_gives_up(name: str) -> None:
    answers, told = GIVES_UP[name]
    agent = FakeAgent(*answers)
    with pytest.raises(OperatorError) as failure:
        run(agent)
    assert told in str(failure.value)
    assert agent.answers == []


def test_a_transfer_that_is_cut_is_gone_on_with() -> None:
    cut = {"state": "failed", "rc": 1, "stderr": "ftp: Reading from socket"}
    agent = FakeAgent({**cut, "size": 5}, {**cut, "size": 9}, {**DONE, "size": 12})
    assert run(agent)[-1] == "bsd is here, 12 bytes"


def test_a_server_that_begins_anew_gets_the_time_for_all_of_it() -> None:
    agent = FakeAgent({"state": "more", "rc": 124, "size": 5, "begun": True}, DONE)
    run(agent)
    first, second = (request["seconds"] for request in agent.requests)
    assert first < 60
    assert second > 3600


def test_what_is_replaced_is_kept_until_nothing_can_fail() -> None:
    agent = FakeAgent(DONE)
    got = fetch(agent, ONE, now({"bsd": file("c" * 64)}, SUMS), lambda _line: None)  # type: ignore[arg-type]
    moves = [(step.fields["from"], step.fields["path"]) for step in got.put if step.do == "rename"]
    assert moves == [
        ("/sets/bsd", "/sets/.partial/bsd.replaced"), ("/sets/.partial/bsd", "/sets/bsd"),
    ]  # fmt: skip
    (clear,) = got.clear
    assert clear.fields["argv"] == ["/bin/rm", "-f", "/sets/.partial/bsd.replaced"]
    assert [step.change for step in got.put if step.change] == ["fetch /sets/bsd"]


def test_the_place_of_what_is_not_whole_is_roots_alone() -> None:
    agent = FakeAgent(DONE)
    fetch(agent, ONE, Current(paths={SETS: DIRECTORY}, lists={}), lambda _line: None)  # type: ignore[arg-type]
    assert [(step.fields["path"], step.fields["mode"]) for step in agent.applied] == [
        ("/sets/.partial", "0700")
    ]


REFUSED: dict[str, tuple[dict[str, t.Any], str]] = {
    "another scheme": ({"url": "ftp://mirror/x"}, "is no directory to fetch from"),
    "a password": ({"url": "http://me:secret@mirror/x"}, "is no directory to fetch from"),
    "an option": ({"url": "-o"}, "is no directory to fetch from"),
    "a query": ({"url": "http://mirror/x?y"}, "is no directory to fetch from"),
    "no name": ({"names": ()}, "no files to fetch are named"),
    "a path for a name": ({"names": ("../bsd",)}, "'../bsd' is no name of a set"),
    "an option for a name": ({"names": ("-o",)}, "'-o' is no name of a set"),
    "no key": ({"key": None}, "signify needs a key"),
    "a key for nothing": ({"verify": "none"}, "nothing else has one"),
    "a key that is no path": ({"key": "key.pub"}, "'key.pub' is no path for a server"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_documents_that_cannot_be_meant(name: str) -> None:
    values, told = REFUSED[name]
    given = {"directory": SETS, "url": "http://m/", "names": ("bsd",), "key": KEY, **values}
    with pytest.raises(DocumentError) as error:
        check([Document("r", mirrors=(Mirror(**given),))])
    assert told in str(error.value)
