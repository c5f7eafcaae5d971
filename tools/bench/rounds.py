# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Rounds: every subject once, then every subject again: what else is done here hits all of them."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.results import Round, Row
from bench.usage import measured
from sandbox.server import Server

Say = Callable[[str], None]


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Subject:
    """A command to measure, and the name of the one that it is compared with.

    `prepare` comes before each measurement, and `verify` after it; `count` is how many VMs the
    command is for; `servers` are the stand-ins whose SSH executions are counted.
    """

    name: str
    words: Sequence[str]
    compared_with: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] = _nothing
    verify: Callable[[], None] = _nothing
    count: int = 0
    servers: Sequence[Server] = ()


@dataclass(frozen=True)
class Plan:
    """How much is measured: so many rounds, but none that would not end within `seconds`.

    `limit` is for one command, in seconds; `files` is how many a server gets where files count.
    """

    rounds: int
    seconds: float
    limit: float
    files: int
    directory: Path
    say: Say


def measure(subjects: Sequence[Subject], plan: Plan) -> list[Row]:
    """Measure all of them in turn, at least once. Raises CommandFailed."""
    rounds: dict[str, list[Round]] = {subject.name: [] for subject in subjects}
    began = time.monotonic()
    for number in range(1, plan.rounds + 1):
        round_began = time.monotonic()
        for subject in subjects:
            rounds[subject.name].append(_once(subject, plan))
        now = time.monotonic()
        took = now - round_began
        plan.say(f"round {number} of {plan.rounds}: {took:.0f} s")
        if now - began + took > plan.seconds:
            break
    return [
        Row(subject.name, subject.compared_with, subject.count, tuple(rounds[subject.name]))
        for subject in subjects
    ]


def _once(subject: Subject, plan: Plan) -> Round:
    subject.prepare()
    before = [len(server.executions()) for server in subject.servers]
    with _sockets() as sockets:
        usage = measured(
            subject.words,
            plan.directory / "output.log",
            limit=plan.limit,
            cwd=plan.directory,
            environment={"ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets), **subject.environment},
        )
    subject.verify()
    executions = sum(
        len(server.executions()) - count
        for server, count in zip(subject.servers, before, strict=True)
    )
    return Round(usage.wall, usage.cpu, usage.connections, usage.memory, executions)


@contextmanager
def _sockets() -> Iterator[Path]:
    """A directory for ssh's control sockets, so that every command makes its connections itself.

    It is short, since the path of a socket has 107 bytes at most.
    """
    directory = Path(tempfile.mkdtemp(prefix="b.", dir="/tmp"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
