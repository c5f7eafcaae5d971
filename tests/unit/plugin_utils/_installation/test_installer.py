# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a run does with installations, by a server that gives one answer after the other."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from unittest import mock

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.installer import (
    Installer,
    Outcome,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.report import Report
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.verdict import Limits
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.watch import ACCESS_LOG
from unit.plugin_utils._installation.test_watch import (
    DONE,
    DOWN,
    RESPONSE_FILE,
    RESTS,
    RUNS,
    VM,
    answer,
    fetched,
    found,
    meter,
    recorded,
)

PROMPT = "Response file location? [http://203.0.113.1/install.conf] "
LEASELESS = f"No dhcp address on interface vio0 in 30 seconds.\r\n{PROMPT}"
IMAGE = "/var/vmm/web1.installing.qcow2"


class Server:
    """Answers of probes in their order, the last one again and again; a look takes 10 s."""

    def __init__(self, *answers: dict[str, t.Any]) -> None:
        self.answers = list(answers)
        self.now = 0.0
        self.by = "me"
        self.applied: list[list[str]] = []

    def look(self, _request: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        self.now += 10
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def carry_out(self, _name: str, steps: t.Iterable[t.Any]) -> None:
        words = [step.fields["argv"][1:] if step.do == "run" else [step.do] for step in steps]
        self.applied.append([word[0] for word in words])


@pytest.fixture(autouse=True)
def _no_sleep() -> Iterator[None]:
    with mock.patch("time.sleep"):
        yield


def install(server: Server, silence: int = 150, total: int = 10_000) -> tuple[Outcome, list[str]]:
    said: list[str] = []
    limits = Limits(silence, total)
    report = Report(said.append)
    installer = Installer(t.cast(t.Any, server), lambda vm: b"", report, limits, 0)
    with mock.patch("time.monotonic", side_effect=lambda: server.now):
        return installer.install([VM]), said


def grown(look: dict[str, t.Any], blocks: int) -> dict[str, t.Any]:
    look["paths"][IMAGE] = {"size": 2 << 20, "blocks": blocks}
    return look


def test_an_installer_that_writes_is_not_given_up() -> None:
    first = answer(RUNS, access=RESPONSE_FILE + fetched("/base78.tgz"))
    looks = [grown(answer(RUNS), blocks) for blocks in range(4096, 4096 * 40, 4096)]
    outcome, _said = install(Server(first, first, *looks))
    assert "nothing new for 150 s while it fetches sets" in outcome.failures["web1"]
    assert "image has 78 MiB" in outcome.failures["web1"]


def test_a_set_that_arrives_slowly_is_not_silence() -> None:
    lines = (meter("Get/Verify", "base78.tgz", 1, mib) for mib in range(30))
    looks = [recorded(answer(RUNS), line) for line in lines]
    first = recorded(answer(RUNS, access=RESPONSE_FILE), "")
    outcome, _said = install(Server(first, first, *looks, looks[-1]))
    # That is 150 s after the last byte, and not after the first one.
    assert "470 s after this run began to watch; sets: 29 MiB" in outcome.failures["web1"]


def test_there_is_a_limit_on_the_whole() -> None:
    looks = [grown(answer(RUNS), blocks) for blocks in range(4096, 4096 * 40, 4096)]
    outcome, _said = install(Server(answer(RUNS), answer(RUNS), *looks), total=200)
    assert "it takes too long, more than 200 s" in outcome.failures["web1"]


def test_lines_are_shown_for_steps_and_not_more_often_than_every_15_s() -> None:
    sets = [answer(RUNS, access=fetched(f"/set{number}.tgz")) for number in range(12)]
    offset = 1 << 20
    for look in sets:
        look["log"][ACCESS_LOG]["offset"] = offset
    looks = [answer(RUNS), answer(RUNS), answer(RUNS, access=RESPONSE_FILE), *sets]
    end = [recorded(answer(RESTS), DONE + DOWN)] * 4
    _outcome, said = install(Server(*looks, *end))
    lines = [line for line in said if "fetches sets (" in line]
    assert 5 <= len(lines) <= 7
    assert lines[0] == ("  web1 fetches sets (set0.tgz, 0 KiB), waiting for the next set [30 s]")
    assert said[1].startswith("  web1 boots the installer, waiting for")
    assert said[2].startswith("  web1 has its response file")


def test_an_empty_record_is_said_once() -> None:
    look = recorded(answer(RUNS, access=RESPONSE_FILE + fetched("/bsd")), "")
    _outcome, said = install(Server(look))
    assert len([line for line in said if "nothing of its console is recorded" in line]) == 1


def test_a_proof_that_no_run_saw_is_taken() -> None:
    over = grown(recorded(answer(RESTS), DONE + DOWN), 4096)
    server = Server(over)
    outcome, said = install(server)
    assert outcome.installed == ["web1"]
    assert server.applied == [["stage", "commit", "remove", "rename", "-f"]]
    assert not said


def test_without_a_proof_it_is_installed_again() -> None:
    over = grown(recorded(answer(RESTS), "Installing base78.tgz"), 4096)
    server = Server(
        over, over, over, over, recorded(answer(RUNS), DONE), recorded(answer(RESTS), DONE + DOWN)
    )
    outcome, _said = install(server)
    assert outcome.installed == ["web1"]
    assert "create" in server.applied[0]
    assert "load" in server.applied[0]


def test_the_proof_of_an_installation_before_is_none_of_this_one() -> None:
    """The note is there before the image is, and says of no log how far it is."""
    before = answer(RESTS, access=fetched("/index.txt?installed"))
    server = Server(before, before, answer(RUNS))
    outcome, said = install(server, total=100)
    assert "create" in server.applied[0]
    assert outcome.installed == []
    assert any("boots the installer" in line for line in said)


def test_a_system_that_runs_is_not_taken_for_the_installer() -> None:
    """Somebody started it again between its note and its installation."""
    runs = answer(RUNS)
    runs["paths"]["/var/vmm/web1.qcow2"] = {"size": 1 << 30, "blocks": 1 << 21}
    server = Server(runs)
    outcome, _said = install(server)
    assert outcome.failures == {"web1": "web1 runs, and an installation would overwrite it"}
    assert server.applied == []


def test_a_vm_that_another_run_concluded_is_installed() -> None:
    outcome, _said = install(Server(answer(RUNS), answer(RESTS, None)))
    assert outcome.installed == ["web1"]


def test_who_had_no_network_is_started_once_more_and_not_twice() -> None:
    stuck = recorded(answer(RUNS), LEASELESS)
    server = Server(*[recorded(answer(RESTS), "")] * 3, stuck)
    outcome, said = install(server)
    assert [line for line in said if "started once more" in line] == [
        "  web1 had no network (No dhcp address on interface vio0 in 30 seconds.); it is started "
        "once more"
    ]
    assert 'waits for an answer to "Response file location?"' in outcome.failures["web1"]
    assert [words[0] for words in server.applied] == ["stage", "stop", "stage"]
    # vmd(8) must have taken note of its end, since it forgets only those that it knows as stopped.
    assert server.applied[1] == ["stop", "wait", "wait"]
    assert "load" in server.applied[2]


def test_whom_another_run_started_is_not_started_once_more() -> None:
    server = Server(recorded(answer(RUNS), LEASELESS))
    outcome, _said = install(server)
    assert "web1" in outcome.failures
    assert server.applied == []


def test_who_wrote_to_its_disk_is_not_started_once_more() -> None:
    wrote = grown(recorded(answer(RUNS), LEASELESS), 8192)
    server = Server(*[recorded(answer(RESTS), "")] * 3, wrote)
    outcome, _said = install(server)
    assert "web1" in outcome.failures
    assert len(server.applied) == 1


def test_logs_that_rotate_hide_nothing() -> None:
    looks = [answer(RUNS), answer(RUNS, access=RESPONSE_FILE)]
    rotated = answer(RUNS)
    rotated["log"][ACCESS_LOG] = found(fetched("/bsd"), other=True, inode=8)
    _outcome, said = install(Server(*looks, rotated))
    assert any("fetches sets (bsd, 0 KiB" in line for line in said)
