# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Updates with TSIG, taken by BIND."""

from __future__ import annotations

import base64
import dataclasses
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._dns.update import (
    Change,
    DnsError,
    Key,
    Primary,
    Rrset,
)

from .conftest import SECRET, NameServer, Play

NAME = "server1.example.org."
OLD = Rrset(3600, frozenset({"4 2 " + "0a" * 32, "1 2 " + "0b" * 32}))
NEW = Rrset(7200, frozenset({"4 2 " + "0c" * 32}))
STRAY = "1 1 0123456789012345678901234567890123456789"
# The example of RFC 7479.
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS"
RECORD = "4 2 a87f1b687ac0e57d2a081a2f282672334d90ed316d2b818ca9580ea384d92401"


def primary(named: NameServer, **fields: Any) -> Primary:
    key = Key("puffy", SECRET, "hmac-sha256")
    made = Primary("example.org.", "127.0.0.1", named.port, key, 5)
    return dataclasses.replace(made, **fields)


def replace(named: NameServer, *changes: Change) -> None:
    with primary(named).session() as session:
        session.replace(changes)


def test_records_come_change_and_go(named: NameServer) -> None:
    with primary(named).session() as session:
        assert session.look(NAME) is None
        session.replace([Change(NAME, None, OLD)])
        assert session.look(NAME) == OLD
        session.replace([Change(NAME, OLD, NEW)])
        assert session.look(NAME) == NEW
        session.replace([Change(NAME, NEW, None)])
        assert session.look(NAME) is None


def test_what_is_not_ours_stays(named: NameServer) -> None:
    replace(named, Change(NAME, None, OLD))
    replace(named, Change(NAME, OLD, NEW))
    assert named.ask(NAME) == sorted(NEW.texts)
    assert named.ask(NAME, "A") == ["127.0.0.1"]
    assert named.ask(NAME, "TXT") == ['"of somebody else"']
    assert named.ask("server9.example.org") == [STRAY]


def test_records_of_another_making_are_seen_and_replaced(named: NameServer) -> None:
    name = "server9.example.org."
    with primary(named).session() as session:
        before = session.look(name)
        assert before == Rrset(300, frozenset({STRAY}))
        session.replace([Change(name, before, NEW)])
    assert named.ask(name) == sorted(NEW.texts)


@pytest.mark.parametrize("planned", [None, NEW])
def test_an_edit_in_between_is_not_lost(named: NameServer, planned: Rrset | None) -> None:
    replace(named, Change(NAME, None, OLD))
    other = "server2.example.org."
    with pytest.raises(DnsError, match="were changed by somebody else while this run was planning"):
        replace(named, Change(other, None, NEW), Change(NAME, planned, NEW))
    assert named.ask(NAME) == sorted(OLD.texts)
    assert named.ask(other) == [], "all names of an update change together"


def test_many_names_need_several_messages(named: NameServer) -> None:
    names = [f"vm{number}.example.org." for number in range(250)]
    texts = frozenset(f"{kind} 2 {digest * 32}" for kind in (1, 3, 4) for digest in ("0a", "0b"))
    replace(named, *(Change(name, None, Rrset(60, texts)) for name in names))
    assert [named.ask(name) for name in names] == [sorted(texts)] * 250


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"key": Key("nobody", SECRET, "hmac-sha256")}, "does not know a TSIG key nobody"),
        ({"key": Key("puffy", SECRET, "hmac-sha512")}, "does not know a TSIG key puffy of hmac-sh"),
        (
            {"key": Key("puffy", base64.b64encode(b"guess").decode(), "hmac-sha256")},
            "has another secret for the TSIG key puffy",
        ),
        ({"key": Key("puffy", "no base64!", "hmac-sha256")}, "the TSIG key puffy is not base64"),
        ({"zone": "example.net."}, "is not the primary server of example.net.; give that one"),
        ({"key": Key("reader", SECRET, "hmac-sha256")}, "refuses the update; let it allow the key"),
    ],
)
def test_refusals_say_what_to_do(named: NameServer, fields: dict[str, Any], told: str) -> None:
    with (
        pytest.raises(DnsError, match=told) as refused,
        primary(named, **fields).session() as session,
    ):
        session.replace([Change(NAME, None, NEW)])
    assert SECRET not in str(refused.value)
    assert named.ask(NAME) == []


def test_a_name_outside_of_the_zone(named: NameServer) -> None:
    told = r"says that a name is not in its zone example.org. \(NOTZONE\)"
    with pytest.raises(DnsError, match=told):
        replace(named, Change("server1.example.com.", None, NEW))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("alias.example.org.", "is an alias of server1.example.org. and can have no records"),
        ("host.sub.example.org.", "has no zone with host.sub.example.org. of its own"),
        ("server1.example.com.", "answers REFUSED for server1.example.com."),
    ],
)
def test_names_that_can_have_no_records(named: NameServer, name: str, told: str) -> None:
    with pytest.raises(DnsError, match=told), primary(named).session() as session:
        session.look(name)


def test_nobody_listens(named: NameServer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with (
            pytest.raises(DnsError, match=rf"127.0.0.1 port {port} cannot be reached over TCP: Co"),
            primary(named, port=port).session(),
        ):
            pass


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda peer: threading.Event().wait(3), "did not answer within 0.3 seconds"),
        (lambda peer: None, "closed the connection without an answer"),
        (lambda peer: peer.sendall(b"\0\4HTTP"), "gave no usable answer"),
    ],
)
def test_a_server_that_is_none(
    named: NameServer, answer: Callable[[socket.socket], object], told: str
) -> None:
    def serve() -> None:
        peer, _address = listener.accept()
        with peer:
            peer.recv(65536)
            answer(peer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve)
        server.start()
        stranger = primary(named, port=listener.getsockname()[1], timeout=0.3)
        with pytest.raises(DnsError, match=told), stranger.session() as session:
            session.look(NAME)
        server.join()


def test_an_answer_without_a_signature_is_not_believed(named: NameServer) -> None:
    def serve() -> None:
        peer, _address = listener.accept()
        with peer:
            question = peer.recv(65536)
            # The question sent back: an answer, authoritative, without records and TSIG.
            end = question.index(b"example\x03org\x00") + 16
            head = question[2:4] + b"\x84\x00\x00\x01\x00\x00\x00\x00\x00\x00"
            answer = head + question[14:end]
            peer.sendall(len(answer).to_bytes(2, "big") + answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve)
        server.start()
        stranger = primary(named, port=listener.getsockname()[1])
        with (
            pytest.raises(DnsError, match="did not sign its answer|does not have one"),
            stranger.session() as session,
        ):
            session.look(NAME)
        server.join()


def task(named: NameServer, **fields: Any) -> dict[str, Any]:
    arguments = {
        "zone": "example.org", "server": "127.0.0.1", "port": named.port, "key_name": "puffy",
        "key_secret": "{{ secret }}", "names": {"server1": [KEY]},
    }  # fmt: skip
    return {"name": "Publish", "puffy.vmm.sshfp_publish": arguments | fields}


def test_the_action_changes_what_differs_and_nothing_else(named: NameServer, play: Play) -> None:
    run = task(named, names={"server1": [KEY], "server9.example.org": []})
    variables = {"secret": SECRET}
    done = play(run, "--check", "--diff", "-vvvv", **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"+{NAME} 3600 IN SSHFP {RECORD}" in done.stdout
    assert f"-server9.example.org. 300 IN SSHFP {STRAY}" in done.stdout
    assert named.ask(NAME) == []
    assert SECRET not in done.stdout + done.stderr
    done = play(run, **variables)
    assert "changed=1 " in done.stdout, done.stdout
    assert named.ask(NAME) == [RECORD]
    assert named.ask("server9.example.org") == []
    done = play(run, **variables)
    assert "changed=0 " in done.stdout, done.stdout


def test_the_action_fails_with_all_problems_before_it_connects(
    named: NameServer, play: Play
) -> None:
    names = {"a b": [], "www.example.com": [KEY], "server1": ["ssh-dss AAAA"]}
    done = play(task(named, names=names, port=9), secret=SECRET)
    assert done.returncode != 0
    assert "names: a b: 'a b' is not a host name" in done.stdout
    assert "names: www.example.com: 'www.example.com' is not a name in the zone" in done.stdout
    assert "names: server1: 'ssh-dss' is a type that OpenSSH no longer accepts" in done.stdout
    assert "port 9" not in done.stdout
