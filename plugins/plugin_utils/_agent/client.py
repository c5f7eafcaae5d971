# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Talks to the server: one SSH execution of `perl -` a request, program and request on its input.

Nothing is in an argument or an environment variable, and nothing stays on the server.
"""

from __future__ import annotations

import base64
import functools
import getpass
import hashlib
import json
import operator
import os
import re
import secrets
import socket
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.secrets import masked
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    Step,
    digest,
)

PARTS: t.Final = Path(__file__).with_name("perl")
# A verb's program is these parts of the agent, in this order.
PROGRAMS: t.Final[t.Mapping[str, str]] = {
    "probe": "base probe confine main",
    "apply": "base change journal steps undo confirm apply confine main",
    "confirm": "base change confirm confine main",
    "fetch": "base change fetch confine main",
}
COMMAND: t.Final = "/usr/bin/perl -"


@dataclass(frozen=True)
class Transaction:
    name: str
    steps: tuple[Step, ...]
    confirm: int | None = None


class ApplyError(OperatorError):
    done: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    answers: t.Mapping[str, t.Any]
    applied: str | None
    unfinished: bool
    uid: int
    user: str
    system: str
    release: str


class Execute(t.Protocol):
    """Runs a command on the server with this standard input: {rc, stdout, stderr}."""

    def __call__(self, command: str, in_data: bytes) -> t.Mapping[str, t.Any]: ...


@functools.cache
def program(verb: str) -> bytes:
    """The agent with what this verb needs: one Perl program, whose errors name part and line."""
    return b"".join(
        f'#line 1 "{name}.pl"\n'.encode() + (PARTS / f"{name}.pl").read_bytes()
        for name in PROGRAMS[verb].split()
    )


def payload(request: t.Mapping[str, t.Any], contents: bytes = b"") -> bytes:
    """Program, length and SHA-256 of the request, the request, and the contents of files."""
    header = json.dumps(request, separators=(",", ":")).encode("ascii")
    data = header + contents
    front = f"{len(header)} {len(data)} {digest(data)}\n".encode()
    return program(request["verb"]) + b"__END__\n" + front + data


def unveiled(line: str, key: str) -> str:
    """An answer as it was before agent/main.pl veiled it; one without a veil is returned as it is.

    Ansible shows answers with -vvv, and they have secrets in them. Raises ValueError.
    """
    if line.startswith("{"):
        return line
    data = base64.b64decode(line, validate=True)
    blocks = range(-(-len(data) // hashlib.sha512().digest_size))
    stream = b"".join(hashlib.sha512(key.encode() + n.to_bytes(4, "big")).digest() for n in blocks)
    return bytes(map(operator.xor, data, stream)).decode("ascii")


class Agent:
    """One server's agent."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    @property
    def by(self) -> str:
        """Who is at work, as it is noted on the server."""
        return f"{getpass.getuser()}@{socket.gethostname()}, process {os.getpid()}"

    def ask(self, request: t.Mapping[str, t.Any], contents: bytes = b"") -> dict[str, t.Any]:
        """The agent's answer. Raises OperatorError where perl did not run or did not answer."""
        key = secrets.token_hex(32)
        result = self._execute(COMMAND, in_data=payload({**request, "key": key}, contents))
        lines = [line for line in str(result["stdout"]).splitlines() if line.strip()]
        try:
            answer: dict[str, t.Any] = json.loads(unveiled(lines[-1], key))
        except (IndexError, ValueError):
            said = str(result["stderr"]).strip() or "\n".join(lines) or "nothing"
            raise OperatorError(
                f"the server did not run {COMMAND} as expected (exit status {result['rc']}); "
                f"it said: {masked(said)}"
            ) from None
        return answer

    def probe(self, asks: t.Mapping[str, t.Any]) -> Seen:
        """The answer to a probe. Raises OperatorError."""
        answers = {}
        last: dict[str, t.Any] = {}
        whole: dict[str, t.Any] = {
            "verb": "probe",
            "paths": [],
            "list": [],
            "open": [],
            "users": [],
            "rosters": [],
            "groups": [],
        }
        runs = [
            {"name": "uname", "argv": ["/usr/bin/uname", "-s"]},
            {"name": "id", "argv": ["/usr/bin/id", "-u"]},
        ]
        for key, questions in asks.items():
            for kind, items in questions.items():
                if kind == "run":
                    runs += [{**item, "name": f"{key}\0{item['name']}"} for item in items]
                else:
                    whole[kind] = whole[kind] + items
        by_path: dict[str, t.Any] = {}
        for item in whole["paths"]:
            known = by_path.setdefault(item["path"], {"path": item["path"], "hash": 0})
            if item.get("read"):
                known["read"] = 1
            if item.get("hash", 1):
                known["hash"] = 1
        whole["paths"] = list(by_path.values())
        answer = self.ask({**whole, "run": runs})
        if "failed" in answer:
            text = masked(answer["failed"]["text"])
            raise OperatorError(f"the server could not be looked at: {text}")
        for key in asks:
            run = {
                name.partition("\0")[2]: result
                for name, result in answer["run"].items()
                if name.startswith(f"{key}\0")
            }
            answers[key] = {**answer, "run": run}
        match = re.match(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)-", answer.get("applied") or "")
        applied = "{}-{}-{}T{}:{}:{}Z".format(*match.groups()) if match else None
        return Seen(
            answers,
            applied,
            bool(answer["unfinished"]),
            0,
            "root",
            answer["run"]["uname"]["stdout"].strip(),
            "7.8",
        )

    def look(self, questions: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """The answer to the questions of one asker. Raises OperatorError."""
        key = "look"
        answer: dict[str, t.Any] = self.probe({key: questions}).answers[key]
        return answer

    def carry_out(self, name: str, steps: t.Iterable[Step]) -> None:
        """One transaction. Raises OperatorError."""
        self.apply([Transaction(name, tuple(steps))])

    def left_warnings(self) -> list[str]:
        return []

    def fetch(self, request: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
        """What became of files that the server fetched for some seconds. Raises OperatorError."""
        answer = self.ask({**request, "verb": "fetch", "by": self.by})
        if "failed" in answer:
            raise OperatorError(f"nothing was fetched: {masked(answer['failed']['text'])}")
        files: list[dict[str, t.Any]] = answer["files"]
        return files

    def apply(
        self,
        transactions: t.Sequence[Transaction],
        reconnect: t.Callable[[], None] | None = None,
    ) -> None:
        for one in transactions or [Transaction("", ())]:
            self.apply_one(one.steps, one.confirm, reconnect)

    def apply_one(
        self,
        steps: t.Sequence[Step],
        confirm: int | None = None,
        reconnect: t.Callable[[], None] | None = None,
    ) -> None:
        run_id = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"
        request, contents = apply_request(steps, run_id, self.by)
        if confirm:
            request["confirm"] = confirm
        answer = self.ask(request, contents)
        if "failed" in answer:
            raise OperatorError(explain(answer["failed"], steps, run_id))
        if confirm:
            if reconnect:
                reconnect()
            answer = self.ask({"verb": "confirm", "id": run_id})
            if "failed" in answer:
                raise OperatorError(f"the change was not confirmed: {answer['failed']['text']}")


def apply_request(steps: t.Sequence[Step], run_id: str, by: str) -> tuple[dict[str, t.Any], bytes]:
    """The request and the contents behind it, which steps name by offset and length (bytes)."""
    parts: list[bytes] = []
    offset = 0
    wire: list[dict[str, t.Any]] = []
    for number, step in enumerate(steps):
        entry = {"n": number, "do": step.do, "title": step.title, **step.fields}
        if step.content is not None:
            entry["blob"] = [offset, len(step.content)]
            offset += len(step.content)
            parts.append(step.content)
        wire.append(entry)
    return {"verb": "apply", "id": run_id, "by": by, "steps": wire}, b"".join(parts)


def explain(failed: t.Mapping[str, t.Any], steps: t.Sequence[Step], run_id: str) -> str:
    """A failed transaction in words: what, why, what the tools said, and how the server is now."""
    number = failed.get("step")
    title = f"{steps[number].title}: " if number is not None else ""
    said = [failed.get(name) or "" for name in ("stderr", "stdout", "explain")]
    parts = [title + failed["text"], *(text.strip() for text in said)]
    if failed.get("undo_problems"):
        parts.append("NOT all of it could be put back: " + "; ".join(failed["undo_problems"]))
    else:
        parts.append("The server is as it was before.")
    # One byte is one character on the wire; the tools write UTF-8.
    text = "\n".join(part for part in parts if part)
    text = text.encode("latin-1", "replace").decode("utf-8", "replace")
    # The checkers read staged files: the operator knows their final names.
    for step in steps:
        if step.do == "stage":
            path = Path(step.fields["path"])
            text = text.replace(str(path.with_name(f".{path.name}.{run_id}")), str(path))
    return masked(text)
