# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Speaks to the server: one SSH execution of `perl -` per request, all of which is on its input.

Nothing is in an argument or an environment variable, and nothing stays on the server. The input is
the program of the request's verb, `__END__`, a line `HEADER TOTAL SHA256`, HEADER bytes of JSON
(the request), and the contents of files, which steps name by `blob: [offset, length]`. TOTAL counts
both, SHA256 is of both; a request that arrives incomplete is not carried out. The output is empty
lines while work is under way, then the answer: JSON, veiled with the request's `key`. A character
in it is a byte.

    probe    {asks: {KEY: questions}}: looks and changes nothing, see answers.py
          -> {answers: {KEY: answers}, applied, generation, unfinished, uid, user, uname}
    apply    {by, transactions: [{id, name, steps, confirm?, boot?, generation?, after?,
              others?}]}
          -> {done: [{id, name, kept}], waits?, failed?, recovered?}
    confirm  {id, by, transactions}: confirms the transaction that waits, then as apply
    fetch    {by, lock, seconds, files ...} -> {files: [{state, size, begun, rc, stdout, stderr}]}
    digest   {seconds, files: [{path, offset?, state?}]}
          -> {files: [{path, size, offset, state | sha256}]}: all but the last are read to the end
    receive  {by, lock, seconds, argv, progress, files: [{path}]}
          -> {progress: {images, files: [{offset, state | sha256}]}}; 0 s only call the other server
    offer    {by, lock, directory, images, keys, owner, group, mark, line, idle}, and send.pl
    withdraw {by, lock, directory, keys, mark}
    backup   {do, place, vm ...}: what is in %DOES of backup.pl

Where an answer is {failed: {text}} alone, nothing of the request was begun. Transactions are
carried out in order, each with a journal of its own; `done` has those that stay. Where a
transaction with `generation` changed files, `kept` is the directory of the old ones, whose name is
a number; with them are `after` (steps that make services read the files again) and `others` (what
else changed, in words), for a rollback. The first that fails ends the request: `failed` has its id,
the number of the step, `text`, the output of tools, and how it was put back: `problems` (what could
not be), `left` (paths that somebody else changed since) and `kept`. One with `confirm` ends the
request too: it `waits` for so many seconds, then the server puts it back; `boot` is a Perl program
that does the same if the server is restarted meanwhile. Before all this, what an earlier run left
unfinished is put back: `recovered` has its id, name, by, time, problems, left and kept.
"""

from __future__ import annotations

import base64
import functools
import getpass
import hashlib
import json
import operator
import os
import secrets
import socket
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError, shown_text
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import Answer, Questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.secrets import masked
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step, digest, stamp
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.transaction import (
    Blobs,
    Transaction,
    on_the_wire,
)

PARTS: t.Final = Path(__file__).with_name("perl")
_CHANGES: t.Final = (
    "base change journal undo record hear verified verify steps confirm apply confine main"
)
# The parts of the agent, in order, that are the program of each verb; rc(8) runs "boot".
PROGRAMS: t.Final[t.Mapping[str, str]] = {
    "probe": "base logs verified generations probe confine main",
    "apply": _CHANGES,
    "confirm": _CHANGES,
    "fetch": "base change fetch confine main",
    "digest": "base change sparse digest confine main",
    "receive": "base change sparse receive confine main",
    "offer": "base change offer confine main",
    "withdraw": "base change offer confine main",
    # sshd(8) runs it from a file, for "receive" on another server.
    "send": "base sparse send",
    "backup": "base verified change sparse images jobs backup confine main",
    "boot": "base change journal undo boot",
}
COMMAND: t.Final = "/usr/bin/perl -"
UNCHANGED: t.Final = "\nThe server is as it was before."
_NOTHING: t.Final = "\nNothing was changed."


class Execute(t.Protocol):
    """How a command is run on the server."""

    def __call__(self, command: str, in_data: bytes) -> t.Mapping[str, t.Any]:
        """Run it with this standard input; return {rc, stdout, stderr}."""


@functools.cache
def program(verb: str) -> bytes:
    """Return the agent with what a verb needs: a Perl program whose errors name part and line."""
    return b"".join(
        f'#line 1 "{name}.pl"\n'.encode() + (PARTS / f"{name}.pl").read_bytes()
        for name in PROGRAMS[verb].split()
    )


def payload(request: t.Mapping[str, t.Any], contents: bytes = b"") -> bytes:
    """Return the program, length and SHA-256 of the request, the request, and file contents."""
    header = json.dumps(request, separators=(",", ":")).encode("ascii")
    data = header + contents
    front = f"{len(header)} {len(data)} {digest(data)}\n".encode()
    return program(request["verb"]) + b"__END__\n" + front + data


def unveiled(line: str, key: str) -> str:
    """Return an answer as it was before perl/main.pl veiled it, if it did.

    Ansible shows answers with -vvv, and there are secrets in them. Raises ValueError.
    """
    if line.startswith("{"):
        return line
    return _unveiled(line, key).decode("ascii")


def _unveiled(line: str, key: str) -> bytes:
    data = base64.b64decode(line, validate=True)
    blocks = range(-(-len(data) // hashlib.sha512().digest_size))
    stream = b"".join(hashlib.sha512(key.encode() + n.to_bytes(4, "big")).digest() for n in blocks)
    return bytes(map(operator.xor, data, stream))


@dataclass(frozen=True)
class Applied:
    """Names of transactions that were carried out; `kept` has the directories of old files."""

    done: tuple[str, ...] = ()
    kept: t.Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class ApplyError(OperatorError):
    """The transaction `failed` failed; those that are `done` before it stay."""

    def __init__(
        self, text: str, failed: str, applied: Applied, vms: frozenset[str] = frozenset()
    ) -> None:
        self.failed = failed
        self.vms = vms
        self.done = applied.done
        fields: dict[str, t.Any] = {
            "done": list(applied.done),
            "old_files": dict(applied.kept),
            "warnings": list(applied.warnings),
        }
        super().__init__(text, **{name: value for name, value in fields.items() if value})


class WorkFailed(OperatorError):
    """What a server was asked to do with images failed; `full` where its disk is full."""

    def __init__(self, text: str, *, full: bool) -> None:
        self.full = full
        super().__init__(text)


class Agent:
    """The agent of a server; `run` is the process of the run that it works for (this one)."""

    def __init__(self, execute: Execute, run: int | None = None) -> None:
        self._execute = execute
        self._run = run or os.getpid()

    @property
    def by(self) -> str:
        """Who is working, as noted on the server."""
        return f"{getpass.getuser()}@{socket.gethostname()}, process {self._run}"

    def ask(self, request: t.Mapping[str, t.Any], contents: bytes = b"") -> dict[str, t.Any]:
        """Return the agent's answer. Raises OperatorError where perl did not run or answer."""
        return self._ask(request, contents)[0]

    def _ask(
        self, request: t.Mapping[str, t.Any], contents: bytes
    ) -> tuple[dict[str, t.Any], bytes]:
        """Return the answer, and the piece of a file before it."""
        key = secrets.token_hex(32)
        result = self._execute(COMMAND, in_data=payload({**request, "key": key}, contents))
        lines = [line for line in str(result["stdout"]).splitlines() if line.strip()]
        try:
            answer: dict[str, t.Any] = json.loads(unveiled(lines[-1], key))
            blob = _unveiled(lines[-2], f"{key} blob") if answer.pop("blob", 0) else b""
        except (IndexError, ValueError):
            said = str(result["stderr"]).strip() or "\n".join(lines) or "nothing"
            raise OperatorError(
                f"the server did not run {COMMAND} as expected (exit status {result['rc']}); "
                f"it said: {masked(shown_text(said))}"
            ) from None
        return answer, blob

    def probe(self, asks: t.Mapping[str, Questions]) -> Answer:
        """Return the answers to questions under several keys. Raises OperatorError."""
        answer = self.ask({"verb": "probe", "asks": asks})
        if "failed" in answer:
            raise OperatorError(f"the server could not be examined: {_said(answer['failed'])}")
        return Answer(**{**answer, "uname": answer["uname"].strip()})

    def look(self, questions: Questions) -> dict[str, t.Any]:
        """Return the answer to questions, with what every answer has. Raises OperatorError."""
        answer = self.probe({"": questions})
        return {
            **answer[""],
            "applied": answer.applied,
            "unfinished": answer.unfinished,
            "release": answer.release,
        }

    def carry_out(self, name: str, steps: t.Iterable[Step]) -> Applied:
        """Carry out a transaction. Raises ApplyError."""
        return self.apply([Transaction(name, tuple(steps))])

    def fetch(self, request: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
        """Make the server fetch files for some seconds; return their states.

        Raises OperatorError.
        """
        answer = self.ask({**request, "verb": "fetch", "by": self.by})
        if "failed" in answer:
            raise OperatorError(f"nothing was fetched: {_said(answer['failed'])}")
        files: list[dict[str, t.Any]] = answer["files"]
        return files

    def work(self, request: t.Mapping[str, t.Any], contents: bytes = b"") -> dict[str, t.Any]:
        """Return the answer to a request about images. Raises WorkFailed."""
        answer = self.ask({**request, "by": self.by}, contents)
        if failed := answer.get("failed"):
            lines = (_said(failed), _shown(str(failed.get("stderr") or "")).strip())
            raise WorkFailed("\n".join(filter(None, lines)), full=bool(failed.get("full")))
        return answer

    def backup(
        self, request: t.Mapping[str, t.Any], contents: bytes = b""
    ) -> tuple[dict[str, t.Any], bytes]:
        """Return the answer of the verb backup, and a piece of a file.

        Raises OperatorError; its field `damaged` says whether a backup is damaged.
        """
        answer, blob = self._ask({**request, "verb": "backup", "by": self.by}, contents)
        if failed := answer.get("failed"):
            raise OperatorError(_said(failed), damaged=bool(failed.get("damaged")))
        return answer, blob

    def apply(
        self,
        transactions: t.Sequence[Transaction],
        reconnect: t.Callable[[], None] | None = None,
    ) -> Applied:
        """Carry out transactions in order; those without steps are left out.

        What an earlier run left unfinished is put back first, even where there are none.
        `reconnect` makes a new connection, over which a transaction with `confirm` is confirmed
        before the next. Raises ApplyError.
        """
        work = _Work([transaction for transaction in transactions if transaction.steps])
        request: dict[str, t.Any] = {"verb": "apply"}
        while True:
            wire, contents = work.next_request()
            try:
                answer = self.ask({**request, "by": self.by, **wire}, contents)
            except OperatorError as error:
                raise work.lost(str(error), request) from error
            waits = work.note(answer, request)
            if waits is None:
                return work.applied
            if reconnect:
                reconnect()
            request = {"verb": "confirm", "id": waits}


class _Work:
    """Transactions that are being carried out: those done, and those still to be sent."""

    def __init__(self, transactions: t.Sequence[Transaction]) -> None:
        self._left = list(transactions)
        self._sent: dict[str, Transaction] = {}
        self._done: list[str] = []
        self._kept: dict[str, str] = {}
        self._warnings: list[str] = []

    @property
    def applied(self) -> Applied:
        return Applied(tuple(self._done), dict(self._kept), tuple(self._warnings))

    def next_request(self) -> tuple[dict[str, t.Any], bytes]:
        """Return the transactions up to the next that must be confirmed."""
        blobs, wire = Blobs(), []
        while self._left:
            transaction = self._left.pop(0)
            name = f"{stamp()}-{secrets.token_hex(4)}"
            self._sent[name] = transaction
            boot = program("boot") if transaction.confirm else b""
            wire.append(on_the_wire(transaction, name, blobs, boot))
            if transaction.confirm:
                break
        return {"transactions": wire}, bytes(blobs)

    def note(self, answer: t.Mapping[str, t.Any], request: t.Mapping[str, t.Any]) -> str | None:
        """Note an answer; return the id of the transaction that waits. Raises ApplyError."""
        confirmed = request.get("id")
        failed = answer.get("failed")
        if confirmed and not (failed and failed.get("unconfirmed")):
            self._done.append(self._sent[confirmed].name)
        for done in answer.get("done", ()):
            name = self._sent[done["id"]].name
            if done["id"] != confirmed:
                self._done.append(name)
            if done["kept"]:
                self._kept[name] = done["kept"]
        if answer.get("recovered"):
            self._warnings.extend(_recovered(answer["recovered"]))
        if failed:
            raise self._failure(failed, confirmed)
        waits: str | None = answer.get("waits")
        return waits

    def lost(self, text: str, request: t.Mapping[str, t.Any]) -> ApplyError:
        """Return the error for an answer that did not come: nobody knows what was done."""
        names = ", ".join(self._unknown())
        unknown = f"It is not known how far the server came with {names}. " if names else ""
        advice = "The next run puts back what was cut off"
        if request["verb"] == "confirm":
            advice = (
                "The server puts back by itself what is not confirmed, and the next run the rest"
            )
        return ApplyError(f"{text}\n{unknown}{advice}.{self._before()}", "", self.applied)

    def _unknown(self) -> list[str]:
        """Return the names of transactions that were sent, and not answered."""
        return [sent.name for sent in self._sent.values() if sent.name not in self._done]

    def _failure(self, failed: t.Mapping[str, t.Any], confirmed: str | None) -> ApplyError:
        if failed.get("unconfirmed") and confirmed:
            name = self._sent[confirmed].name
            text = f"{name}: the change was not confirmed: {_said(failed)}{self._before()}"
        elif "id" not in failed:
            name = next(iter(self._unknown()), "")
            text = f"{_said(failed)}{self._before() or _NOTHING}"
        else:
            sent = self._sent[failed["id"]]
            text = explain(failed, sent, self._done)
            return ApplyError(text, sent.name, self.applied, _concerns(failed, sent))
        return ApplyError(text, name, self.applied)

    def _before(self) -> str:
        return f"\nDone before it and kept: {', '.join(self._done)}." if self._done else ""


def _concerns(failed: t.Mapping[str, t.Any], transaction: Transaction) -> frozenset[str]:
    """Return the VMs that alone are affected; none where not all could be put back."""
    number = failed.get("step")
    if number is None or failed.get("problems"):
        return frozenset()
    step: Step = transaction.steps[number]
    return step.concerns


def explain(
    failed: t.Mapping[str, t.Any], transaction: Transaction, done: t.Sequence[str] = ()
) -> str:
    """Return a failure in words: what, why, what tools printed, and how the server is now."""
    number = failed.get("step")
    title = f"{transaction.steps[number].title}: " if number is not None else ""
    outputs = [failed.get(name) or "" for name in ("stderr", "stdout", "explain")]
    parts = [title + failed["text"], *(text.strip() for text in outputs)]
    problems, left = failed.get("problems"), failed.get("left")
    if problems:
        parts.append("NOT all of it could be put back: " + "; ".join(problems))
    if left:
        parts.append(f"Put back, except what somebody else changed or used since: {_left(failed)}")
    if done:
        outcome = "was put back" if not problems else "was not put back completely"
        before = f"done before it and kept: {', '.join(done)}."
        parts.append(f"{transaction.name} failed and {outcome}; {before}")
    elif not problems and not left:
        parts.append(UNCHANGED.strip())
    text = _decoded("\n".join(part for part in parts if part))
    # The checkers read staged files; the operator knows their final names.
    for step in transaction.steps:
        if step.do == "stage":
            path = Path(step.fields["path"])
            text = text.replace(str(path.with_name(f".{path.name}.{failed.get('id')}")), str(path))
    return masked(shown_text(text))


def _recovered(recovered: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """Yield what the operator must look at after an earlier run was undone."""
    who = f"{recovered.get('name') or 'an earlier run'} of {recovered.get('by')} was cut off"
    if recovered["left"]:
        yield _shown(
            f"{who} and was undone, except what somebody else changed or may use since: "
            f"{_left(recovered)}; look at it"
        )
    if recovered["problems"]:
        yield _shown(
            f"{who} and could not be undone completely: {'; '.join(recovered['problems'])}; its "
            f"old files are in {recovered['kept']}"
        )


def _left(outcome: t.Mapping[str, t.Any]) -> str:
    kept = f" (old files: {outcome['kept']})" if outcome.get("kept") else ""
    return ", ".join(outcome["left"]) + kept


def _said(failed: t.Mapping[str, t.Any]) -> str:
    return _shown(failed["text"])


def _shown(text: str) -> str:
    """Return a server's output for people to read."""
    return masked(shown_text(_decoded(text)))


def _decoded(text: str) -> str:
    """Return text from bytes: the wire has one in each character, and tools write UTF-8."""
    return text.encode("latin-1", "replace").decode("utf-8", "replace")
