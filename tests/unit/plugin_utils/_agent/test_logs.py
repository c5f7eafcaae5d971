# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The agent searches logs on the server."""

from __future__ import annotations

import time
import typing as t
from pathlib import Path

import pytest
from unit.agent_host import Host

LOG = "/srv/access.log"
OURS = 's 203.0.113.1 - - [] "GET /base78.tgz HTTP/1.0" 200 1'
OTHERS = 's 203.0.113.11 - - [] "GET /203.0.113.1 HTTP/1.0" 404 0'


class Log:
    def __init__(self, host: Host) -> None:
        self.host = host
        self.path = host.srv / "access.log"

    def add(self, *lines: str) -> None:
        with self.path.open("a") as out:
            out.writelines(f"{line}\n" for line in lines)

    def ask(self, offset: int = 0, *match: str, **more: object) -> t.Any:
        ask = {"path": LOG, "offset": offset, "match": match or (" 203.0.113.1 - ",), **more}
        return self.host.probe(log=[ask])["log"][LOG]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(Host(tmp_path))


def texts(found: dict[str, t.Any]) -> list[str]:
    return [line for _offset, line in found["lines"]]


def test_only_what_is_asked_for_comes_back(log: Log) -> None:
    assert log.ask() is None
    log.add(OTHERS, OURS, OTHERS)
    found = log.ask()
    assert found["lines"] == [[len(OTHERS) + 1, OURS]]
    assert found["offset"] == log.path.stat().st_size
    assert found["inode"] == log.path.stat().st_ino
    assert found["other"] is False
    log.add(OURS)
    assert texts(log.ask(found["offset"], inode=found["inode"])) == [OURS]


def test_a_string_is_no_pattern(log: Log) -> None:
    log.add("a.c", "abc", "(")
    assert texts(log.ask(0, "a.c", "(")) == ["a.c", "("]
    assert texts(log.ask(0, ".*")) == []


def test_half_a_line_is_for_the_next_time(log: Log) -> None:
    log.add(OURS)
    with log.path.open("a") as out:
        out.write(OURS[:-5])
    found = log.ask()
    assert (texts(found), found["offset"]) == ([OURS], len(OURS) + 1)


def test_another_file_is_read_from_its_beginning(log: Log) -> None:
    log.add(OURS, OURS)
    found = log.ask()
    log.path.rename(log.path.with_suffix(".0"))
    log.add(OURS, OTHERS, OTHERS, OTHERS)
    # It is longer than the old one was: the inode says that it is not the same.
    again = log.ask(found["offset"], inode=found["inode"])
    assert (texts(again), again["other"]) == ([OURS], True)
    # A run that continues after another knows no inode, but a length.
    assert log.ask(1 << 20)["other"] is True


def test_a_flood_costs_neither_much_time_nor_an_answer(log: Log) -> None:
    with log.path.open("a") as out:
        out.write(f"{OTHERS}\n" * 400_000)
    log.add(OURS)
    began = time.monotonic()
    found = log.ask()
    assert texts(found) == [OURS]
    assert time.monotonic() - began < 10


def test_what_one_answer_cannot_hold_the_next_has(log: Log) -> None:
    log.add(*[f"{OURS} {number:06}" for number in range(5000)])
    offset, seen = 0, 0
    for _look in range(10):
        found = log.ask(offset)
        assert sum(map(len, texts(found))) < 1 << 18
        seen += len(found["lines"])
        offset = found["offset"]
    assert seen == 5000


def test_what_never_ends_does_not_stop_it(log: Log) -> None:
    with log.path.open("a") as out:
        out.write("x" * 1_000_000 + "\n")
    log.add(OURS)
    assert texts(log.ask())[-1].endswith(OURS)


def test_a_link_is_not_followed(log: Log) -> None:
    log.path.symlink_to("/etc/passwd")
    assert log.ask(0, "root") is None
