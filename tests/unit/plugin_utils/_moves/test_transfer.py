# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""How a run follows a transfer: in bounded steps, with a line for each, to the proof in the end."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.move import Image
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.report import Report
from ansible_collections.puffy.vmm.plugins.plugin_utils._moves import transfer
from ansible_collections.puffy.vmm.plugins.plugin_utils._moves.transfer import (
    Account,
    Arrival,
    Peer,
)

MIB = 1 << 20
ONE, TWO = (
    Image(f"/a/{name}", f"/a/{name}.moved", f"/b/{name}.moving", f"/b/{name}")
    for name in ("1", "2")
)
PEER = Peer("server1", "192.0.2.1", 22, "root", ("ssh-ed25519 AAAA",))
SUM, OTHER = "a" * 64, "b" * 64


@dataclass
class Server:
    """Answers requests by their verbs with what it was given, in order, and keeps them."""

    answers: dict[str, list[dict[str, t.Any]]]
    asked: list[dict[str, t.Any]] = field(default_factory=list)

    def execute(self, command: str, in_data: bytes) -> dict[str, t.Any]:
        assert command == "/usr/bin/perl -"
        front, _, data = in_data.partition(b"__END__\n")[2].partition(b"\n")
        request = json.loads(data[: int(front.split()[0])])
        self.asked.append(request)
        return {"rc": 0, "stdout": json.dumps(self.answer(request)), "stderr": ""}

    def answer(self, request: dict[str, t.Any]) -> dict[str, t.Any]:
        if request["verb"] == "apply":
            ids = [transaction["id"] for transaction in request["transactions"]]
            return {"done": [{"id": name, "kept": None} for name in ids], "recovered": None}
        return self.answers[request["verb"]].pop(0)

    def of(self, verb: str) -> list[dict[str, t.Any]]:
        return [request for request in self.asked if request["verb"] == verb]


def come(*offsets: int, sums: t.Sequence[str] = ()) -> dict[str, t.Any]:
    """What the server says after some seconds: MiB that are there of each image of 100."""
    files: list[dict[str, t.Any]] = [{"offset": offset * MIB} for offset in offsets]
    for file, sha256 in zip(files, sums, strict=False):
        file["sha256"] = sha256
    return {"progress": {"images": [{"size": 100 * MIB}] * len(offsets), "files": files}}


def read(path: str, offset: int, sha256: str = "") -> dict[str, t.Any]:
    more = {"sha256": sha256} if sha256 else {"state": "s"}
    return {"path": path, "size": 100 * MIB, "offset": offset * MIB, **more}


def failed(text: str, said: str = "", *, full: bool = False) -> dict[str, t.Any]:
    return {"failed": {"text": text, "stderr": said, "full": int(full)}}


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "_PAUSE_SECONDS", 0)


def fetch(
    *images: Image, **answers: list[dict[str, t.Any]]
) -> tuple[dict[str, str], list[str], Server]:
    server, lines = Server(answers), list[str]()
    agent = Agent(server.execute, 7)
    arrival = Arrival(agent, "web1", images or (ONE,), PEER, "192.0.2.2", Report(lines.append))
    return arrival.fetch(), lines, server


def test_images_come_in_bounded_steps_and_are_read_back() -> None:
    sums, lines, server = fetch(
        ONE,
        TWO,
        receive=[come(40, 0), come(100, 30, sums=[SUM]), come(100, 100, sums=[SUM, OTHER])],
        digest=[
            {"files": [read(ONE.arriving, 60)]},
            {"files": [read(ONE.arriving, 100, SUM), read(TWO.arriving, 10)]},
            {"files": [read(TWO.arriving, 100, OTHER)]},
        ],
    )
    assert sums == {ONE.arriving: SUM, TWO.arriving: OTHER}
    assert [line.rpartition(" [")[0] for line in lines] == [
        "  web1 is on its way (40 of 200 MiB)",
        "  web1 is on its way (130 of 200 MiB)",
        "  web1 is on its way (200 of 200 MiB)",
        "  web1 is read back (60 of 100 MiB)",
        "  web1 is read back (10 of 100 MiB)",
    ]
    seconds = [[ask["seconds"] for ask in server.of(verb)] for verb in ("receive", "digest")]
    assert seconds == [[5, 30, 30], [5, 30, 30]]
    assert server.of("digest")[1]["files"] == [
        read(ONE.arriving, 60), {"path": TWO.arriving},
    ]  # fmt: skip
    assert server.of("digest")[2]["files"] == [read(TWO.arriving, 10)]


def test_ssh_is_held_to_one_key_and_one_host() -> None:
    _, _, server = fetch(
        receive=[come(100, sums=[SUM])], digest=[{"files": [read(ONE.arriving, 100, SUM)]}]
    )
    argv = server.of("receive")[0]["argv"]
    options = {word for flag, word in zip(argv, argv[1:], strict=False) if flag == "-o"}
    assert {
        "StrictHostKeyChecking=yes", "HostKeyAlias=server1", "IdentitiesOnly=yes", "BatchMode=yes",
        "UserKnownHostsFile=/var/backups/puffy.vmm/move-web1/known_hosts",
        "GlobalKnownHostsFile=/dev/null", "BindAddress=192.0.2.2",
    } <= options  # fmt: skip
    assert (argv[0], argv[-3:]) == ("/usr/bin/ssh", ["-l", "root", "192.0.2.1"])
    assert argv[argv.index("-F") + 1] == "/dev/null"


def test_a_connection_that_breaks_is_made_again() -> None:
    broken = failed("the connection ended")
    sums, lines, _ = fetch(
        receive=[broken, broken, come(10), broken, broken, come(100, sums=[SUM])],
        digest=[{"files": [read(ONE.arriving, 100, SUM)]}],
    )
    assert sums == {ONE.arriving: SUM}
    assert sum("trying again" in line for line in lines) == 4


def test_one_that_stays_broken_ends_it_with_what_helps() -> None:
    for said, text in (
        ("root@192.0.2.1: Permission denied (publickey).", "AuthorizedKeysFile, AllowUsers"),
        ("Host key verification failed.", "has other host keys than server1"),
        ("ssh: connect to host 192.0.2.1 port 22: Connection refused", "look at pf(4) of both"),
        ("bind 192.0.2.2: Can't assign requested address", "does not have the address 192.0.2.2"),
    ):
        with pytest.raises(OperatorError) as error:
            fetch(receive=[failed("the connection ended", said)] * 9)
        assert said in str(error.value)
        assert text in str(error.value)


def test_a_full_disk_ends_it_at_once() -> None:
    full = failed("an image cannot be written: No space left on device", full=True)
    with pytest.raises(OperatorError, match="the disk is full; what had arrived was removed"):
        fetch(receive=[full])


def test_a_transfer_that_stands_still_ends() -> None:
    with pytest.raises(OperatorError, match="nothing more arrives"):
        fetch(receive=[come(10)] * 9)


def test_what_arrives_wrong_is_sent_once_more_and_then_given_up() -> None:
    whole = come(100, sums=[SUM])
    wrong = {"files": [read(ONE.arriving, 100, OTHER)]}
    right = {"files": [read(ONE.arriving, 100, SUM)]}
    sums, lines, server = fetch(receive=[whole, whole], digest=[wrong, right])
    assert sums == {ONE.arriving: SUM}
    assert any("is not what was sent; it is sent once more" in line for line in lines)
    (forgotten,) = server.of("apply")
    argv = forgotten["transactions"][0]["steps"][0]["argv"]
    assert argv[2:] == ["/var/backups/puffy.vmm/move-web1/progress", ONE.arriving]
    with pytest.raises(OperatorError, match="nothing of it is used"):
        fetch(receive=[whole, whole], digest=[wrong, wrong])


@dataclass
class Reading(Server):
    """A server that reads for as long as it may, while the other one withdraws a key in time."""

    now: float = 0
    until: float = 600

    def answer(self, request: dict[str, t.Any]) -> dict[str, t.Any]:
        if request["verb"] == "receive" and self.now > self.until:
            return failed("the connection ended", "root@192.0.2.1: Permission denied (publickey).")
        self.now += request.get("seconds", 0)
        if request["verb"] == "receive":
            self.until = self.now + 600
            if request["seconds"] == 0:
                # The last of these calls fails: what is here is read all the same.
                return {"progress": None} if self.now < 1600 else failed("nothing came")
        return super().answer(request)


def test_the_key_is_kept_however_long_the_copy_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = come(100, sums=[SUM])
    reading = [{"files": [read(ONE.arriving, offset)]} for offset in range(1, 60)]
    wrong, right = ({"files": [read(ONE.arriving, 100, sha256)]} for sha256 in (OTHER, SUM))
    server = Reading({"receive": [whole, whole], "digest": [*reading, wrong, right]})
    monkeypatch.setattr(transfer, "time", SimpleNamespace(monotonic=lambda: server.now, sleep=id))
    arrival = Arrival(
        Agent(server.execute, 7), "web1", (ONE,), PEER, "192.0.2.2", Report(list[str]().append)
    )
    assert arrival.fetch() == {ONE.arriving: SUM}
    assert len(server.of("receive")) < 20


def test_what_is_offered_is_these_images_to_this_server_alone() -> None:
    server = Server({"offer": [{"offered": 1}], "withdraw": [{"withdrawn": 1}]})
    agent, account = Agent(server.execute, 7), Account("puffy", "/home/puffy", "puffy", doas=True)
    transfer.offer(agent, "web1", ["/a/1"], "ssh-ed25519 AAAA", "192.0.2.2", account)
    transfer.withdraw(agent, "web1", account)
    offer, withdraw = server.asked
    options, key = offer["line"].rsplit(",", 1)[0], offer["line"].split(" ssh-", 1)[1]
    assert options == (
        'restrict,command="/usr/bin/doas -n /usr/bin/perl /var/backups/puffy.vmm/move-web1/send",'
        'from="192.0.2.2"'
    )
    assert 'expiry-time="2' in offer["line"]
    assert key == "ed25519 AAAA"
    assert (offer["images"], offer["keys"]) == (["/a/1"], "/home/puffy/.ssh/authorized_keys")
    same = ("keys", "mark", "directory", "lock")
    assert [withdraw[name] for name in same] == [offer[name] for name in same]
