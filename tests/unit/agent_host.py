# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Places for the agent to work in: perl in a namespace with directories of the test's own."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import payload, program
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import digest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.transaction import Blobs
from unit.plugin_utils._agent import confinement

Answer = dict[str, t.Any]
Wire = dict[str, t.Any]

ME: t.Final = {"owner": "root", "group": "root", "mode": "0640"}
RUN_ID: t.Final = "20261123T120000-0badcafe"
# What libc and these tests read of the machine's own.
_ETC: t.Final = ("passwd", "group", "hostname", "ld.so.cache")
# Of a request, not of its transaction.
_OF_REQUEST: t.Final = frozenset({"lock_wait"})


class Host:
    """`srv` is /srv, `backups` is /var/backups, `etc` is /etc."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.srv, self.backups, self.etc = (
            directory / name for name in ("srv", "backups", "etc")
        )  # fmt: skip
        for place in (self.srv, self.backups, self.etc):
            place.mkdir()
        for name in _ETC:
            shutil.copy(f"/etc/{name}", self.etc)
        # OpenBSD's libc asks files alone, and loads nothing for that.
        (self.etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\n")
        self.state = self.backups / "puffy.vmm"
        self.pending = self.state / "pending"
        self._options = options
        # Only perl's warnings may be there.
        self._errors = directory / "stderr"
        self._errors.touch()

    def popen(self, *command: str) -> subprocess.Popen[bytes]:
        """Begins a command in the namespace, which ends when all of its processes have."""
        words = "bwrap --die-with-parent --unshare-user --uid 0 --gid 0 --ro-bind / /".split()
        words += ["--dev", "/dev", "--proc", "/proc", "--bind", str(self.srv), "/srv"]
        words += ["--bind", str(self.backups), "/var/backups", "--bind", str(self.etc), "/etc"]
        with self._errors.open("ab") as errors:
            return subprocess.Popen(
                [*words, *self._options, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )

    def start(self, data: bytes) -> subprocess.Popen[bytes]:
        """Begins a request: its program reads it from its standard input."""
        return self.feed(self.popen("perl", "-"), data)

    def having(self, *options: str) -> Self:
        """The same host with more options for bwrap(1)."""
        other = copy.copy(self)
        other._options = (*self._options, *options)
        return other

    @staticmethod
    def feed(process: subprocess.Popen[bytes], data: bytes) -> subprocess.Popen[bytes]:
        assert process.stdin
        process.stdin.write(data)
        process.stdin.close()
        return process

    def send(self, data: bytes) -> Answer:
        return self.answer(self.start(data))

    def answer(self, process: subprocess.Popen[bytes]) -> Answer:
        """The answer of a request that has begun."""
        assert process.stdout
        out = process.stdout.read()
        process.stdout.close()
        process.wait(60)
        assert self._errors.read_text() == ""
        answer: Answer = json.loads(out.splitlines()[-1])
        return answer

    def boot(self) -> str:
        """Runs rc.firsttime as rc(8) does; what it said."""
        script = (
            "export INRC=1; cd /etc && mv rc.firsttime rc.firsttime.run && sh rc.firsttime.run 2>&1"
        )
        out, _err = self.popen("sh", "-c", f"{script}; rm -f /etc/rc.firsttime.run").communicate()
        return out.decode()

    def ask(self, asks: t.Mapping[str, t.Mapping[str, t.Any]]) -> Answer:
        return self.send(payload({"verb": "probe", "asks": asks}))

    def probe(self, *paths: str, **more: object) -> Answer:
        """Return the answer to a single request, with what every answer has."""
        ask = {"paths": [{"path": path} for path in paths], **more}
        answer = self.ask({"me": ask})
        return {**answer, **answer.get("answers", {}).get("me", {})}

    def apply(self, *steps: Wire, **more: object) -> Answer:
        """One transaction."""
        return self.send(request(*steps, **more))

    def carry_out(self, **transactions: t.Sequence[Wire]) -> Answer:
        """Several, by their names."""
        return self.send(requests(*(
            (steps, {"name": name, "id": f"{RUN_ID}{name}"}) for name, steps in transactions.items()
        )))  # fmt: skip

    def confirm(self, run_id: str = RUN_ID, *transactions: tuple[t.Sequence[Wire], Wire]) -> Answer:
        return self.send(requests(*transactions, verb="confirm", id=run_id))

    def kill(self, data: bytes, when: t.Callable[[], bool]) -> None:
        """Begins a request and kills its process at a moment, as a crash would."""
        with self.under_way(data, when):
            pass

    @contextmanager
    def under_way(self, data: bytes, when: t.Callable[[], bool]) -> t.Iterator[None]:
        """Begins a request, waits for a moment, and kills it at the end."""
        process = self.start(data)
        try:
            until(when)
            yield
        finally:
            process.kill()
            process.wait(10)
            assert process.stdout
            process.stdout.close()

    def begun(self, number: int) -> t.Callable[[], bool]:
        """Whether the step of this number, a program, has begun."""
        path = self.pending / "begun"
        return lambda: path.exists() and str(number) in path.read_text().split()

    def tree(self) -> dict[str, bytes | None]:
        """Everything below /srv by path: contents of files, None for directories."""
        paths = sorted(self.srv.rglob("*"))
        return {
            str(p.relative_to(self.srv)): p.read_bytes() if p.is_file() else None for p in paths
        }


class WatchedHost(Host):
    """One where each system call is held against pledge(2) and unveil(2)."""

    def __init__(self, directory: Path) -> None:
        self._lib = confinement.marks(directory / "lib")
        self._traces = directory / "traces"
        self._traces.mkdir()
        self._runs = 0
        super().__init__(
            directory,
            *("--bind", str(self._traces), str(self._traces)),
            *("--setenv", "PERL5LIB", str(self._lib)),
        )

    def start(self, data: bytes) -> subprocess.Popen[bytes]:
        self._runs += 1
        strace = [*confinement.STRACE, "-o", str(self._prefix)]
        return self.feed(self.popen(*strace, "perl", "-"), data)

    @property
    def _prefix(self) -> Path:
        """Where the last run left what it did."""
        return self._traces / f"run{self._runs}"

    def send(self, data: bytes) -> Answer:
        answer = self.answer(self.start(data))
        self.check(self._prefix)
        return answer

    def begin(self, data: bytes) -> tuple[subprocess.Popen[bytes], Path]:
        """Begins a request, to be looked at by check() or violations() later."""
        return self.start(data), self._prefix

    @staticmethod
    def check(prefix: Path) -> None:
        refused, confined = confinement.violations(prefix)
        assert confined
        assert refused == []


def request(*steps: Wire, **more: object) -> bytes:
    """A request with one transaction."""
    of_request = {name: value for name, value in more.items() if name in _OF_REQUEST}
    transaction = {name: value for name, value in more.items() if name not in _OF_REQUEST}
    return requests((steps, transaction), **of_request)


def requests(*transactions: tuple[t.Sequence[Wire], Wire], **more: object) -> bytes:
    """A request with several: their steps, and what else each has."""
    blobs, wire = Blobs(), []
    for steps, fields in transactions:
        entries = []
        for number, step in enumerate(steps):
            entry = {"n": number, "title": f"step {number}", **step}
            if "content" in entry:
                entry["blob"] = blobs.add(entry.pop("content").encode())
            entries.append(entry)
        item = {"id": RUN_ID, "name": "a role", "steps": entries, "generation": 1, **fields}
        if "confirm" in item:
            item["boot"] = blobs.add(program("boot"))
        if steps:
            wire.append(item)
    return payload({"verb": "apply", "by": "a test", "transactions": wire, **more}, bytes(blobs))


def put(path: str, content: str, before: str | None = None, **more: object) -> list[Wire]:
    """Stage and commit of a file."""
    was = [None if before is None else digest(before.encode())]
    stage = {"do": "stage", "path": path, "before": was, "content": content, **ME, **more}
    sha256 = digest(content.encode())
    return [stage, {"do": "commit", "path": path, "before": was, "sha256": sha256, **more}]


def sh(script: str, **more: object) -> Wire:
    return {"do": "run", "argv": ["/bin/sh", "-c", script], **more}


def until(condition: t.Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)
