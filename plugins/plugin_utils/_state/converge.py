# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Brings a server to what documents describe: one look, one plan, one request.

The look can also carry questions of others (about VMs), under keys of their own.
"""

from __future__ import annotations

import base64
import typing as t
from dataclasses import dataclass, field

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent import answers
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent, ApplyError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.secrets import masked
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Change, Step
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.transaction import Transaction
from ansible_collections.puffy.vmm.plugins.plugin_utils._state import diff, guard
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer, Questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Notice
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import Document
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import Plan, plan, questions

Show = t.Callable[[str], None]


@dataclass(frozen=True)
class Look:
    """What a server answered.

    `applied` is when this collection last changed it, in UTC; `generation` has number, id and name
    of the last change of files.
    """

    answers: t.Mapping[str, Answer]
    raw: t.Mapping[str, t.Any]
    applied: str | None = None
    generation: t.Mapping[str, t.Any] | None = None
    release: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What was done, or would be in check mode, for a task's result."""

    changes: tuple[tuple[str, Change], ...] = ()
    notices: tuple[tuple[str, Notice], ...] = ()
    warnings: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    errors: tuple[tuple[str, str], ...] = ()
    diffs: list[dict[str, str]] = field(default_factory=list)
    applied: str | None = None
    generation: t.Mapping[str, t.Any] | None = None

    def result(self, *, diffs: bool) -> dict[str, t.Any]:
        """Return the result as Ansible shows it; secrets of installations are masked."""
        changes = [
            {"document": name, "change": masked(str(change)), "consequence": change.consequence}
            for name, change in self.changes
        ]
        optional = {
            "errors": _texts(self.errors),
            "last_applied": self.applied,
            "generation": self.generation and present(self.generation),
            "pending_restart": list(self.pending),
            "warnings": [masked(text) for text in self.warnings],
        }
        return {
            "changed": bool(changes),
            "changes": [change["change"] for change in changes],
            "details": changes,
            "notices": _texts(self.notices),
            **{name: value for name, value in optional.items() if value},
            **({"diff": self.diffs} if diffs else {}),
        }


def _texts(items: t.Iterable[tuple[str, object]]) -> list[dict[str, str]]:
    return [{"document": name, "text": masked(str(item))} for name, item in items]


def present(generation: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return a generation as results name it: its number, its role, and its time in UTC."""
    at = answers.time_of(generation["id"])
    return {"number": generation["number"], "role": generation["name"], "time": at}


def look(
    agent: Agent,
    documents: t.Sequence[Document],
    more: t.Mapping[str, Questions] | None = None,
    *,
    check_mode: bool = False,
) -> Look:
    """Ask a server all that the documents have to know, and `more`.

    A run that was cut off is undone first, which takes two more executions. Raises OperatorError
    where the server does not run OpenBSD, or where this connection is not root's.
    """
    asks = {**questions(documents), **(more or {})}
    seen = agent.probe(asks)
    warnings: list[str] = []
    refuse_others(seen.system, seen.uid, seen.user)
    if seen.unfinished and check_mode:
        warnings.append("an earlier run was cut off on this server; the next one undoes it")
    elif seen.unfinished:
        warnings.append("an earlier run was cut off on this server; it was undone first")
        warnings += agent.apply([]).warnings
        seen = agent.probe(asks)
    typed = {name: Answer.of(raw) for name, raw in seen.answers.items()}
    return Look(
        typed, seen.answers, seen.applied_at, seen.generation, seen.release, tuple(warnings)
    )


def refuse_others(system: str, uid: int, user: str) -> None:
    """Refuse a system that is not OpenBSD, and a user that is not root (OperatorError)."""
    if system != "OpenBSD":
        raise OperatorError(f"the server runs {system or 'an unknown system'}, not OpenBSD")
    if uid != 0:
        raise OperatorError(
            f"this needs root on the server, and the connection is that of {user}: set "
            "ansible_become: true and ansible_become_method: puffy.vmm.doas, or ansible_user: root"
        )


@dataclass
class Converger:
    """A run for a server."""

    agent: Agent
    show: Show
    server: str
    check_mode: bool = False
    diff: bool = False
    # Only shows what differs: a document that is not possible hides no other.
    compare: bool = False
    reconnect: t.Callable[[], None] | None = None

    def carry_out(
        self,
        documents: t.Sequence[Document],
        seen: Look,
        *,
        only: t.Collection[str] | None = None,
        before: t.Sequence[Transaction] = (),
        after: t.Sequence[Transaction] = (),
    ) -> Outcome:
        """Plan the documents and carry them out, between transactions of the life of VMs.

        With `only`, the run is only for VMs of these names. Raises OperatorError.
        """
        stops = [change.vms or () for _name, change in _changes(before) if change.kind == "stop"]
        made = plan(documents, seen.answers, frozenset().union(*stops))
        if not self.compare:
            made.raise_errors()
        if only is not None:
            self._refuse_others(made, only)
        return self.carry_out_plan(made, seen, before, after)

    def carry_out_plan(
        self,
        made: Plan,
        seen: Look,
        before: t.Sequence[Transaction] = (),
        after: t.Sequence[Transaction] = (),
    ) -> Outcome:
        """Carry out what was planned, or show it in check mode. Raises OperatorError."""
        changes = (*_changes(before), *made.changes, *_changes(after))
        shown = diff.diffs(made.shown, self._old(made)) if self.diff else []
        notices = tuple((part.name, notice) for part in made.parts for notice in part.warnings)
        advice = ((part.name, notice) for part in made.parts for notice in part.advice)
        warnings = [*seen.warnings, *(f"{name}: {text}" for name, text in (*notices, *advice))]
        pending = tuple(name for part in made.parts for name in part.pending)
        if pending:
            names = ", ".join(pending)
            warnings.append(f"pending restart: {names} runs with an older definition until then")
        if self.check_mode:
            self.tell(changes)
        else:
            self._apply(made, before, after, changes)
        return Outcome(
            changes,
            notices,
            tuple(warnings),
            pending,
            made.errors,
            shown,
            seen.applied,
            seen.generation,
        )

    def _apply(
        self,
        made: Plan,
        before: t.Sequence[Transaction],
        after: t.Sequence[Transaction],
        changes: t.Sequence[tuple[str, Change]],
    ) -> None:
        transactions = [*before, *made.transactions(self._jobs(made)), *after]
        if not transactions:
            return
        try:
            applied = self.agent.apply(transactions, self.reconnect)
        except ApplyError as error:
            self.tell(_changes(transactions[: len(error.done)]))
            raise
        self.tell(changes)
        for warning in applied.warnings:
            self.show(f"{self.server}  {warning}")
        for name, directory in applied.kept.items():
            self.show(f"{self.server}  {name}  old files are kept in {directory}")

    def tell(self, changes: t.Iterable[tuple[str, Change]]) -> None:
        """Show changes, a line each; in check mode, what a run would change."""
        would = "would " if self.check_mode else ""
        for name, change in changes:
            self.show(f"{self.server}  {name}  {would}{masked(str(change))}")

    def _jobs(self, made: Plan) -> dict[str, list[Step]]:
        brought: dict[str, list[Step]] = {}
        for part in made.parts:
            for job in part.jobs:
                steps = job.carry_out(
                    self.agent, lambda line: self.show(f"  {self.server}: {line}")
                )
                brought.setdefault(part.name, []).extend(steps)
        return brought

    def _old(self, made: Plan) -> dict[str, bytes]:
        asks = diff.asks(made.shown)
        if not asks:
            return {}
        answer = self.agent.look({"paths": asks})
        return {path: base64.b64decode(text) for path, text in answer["read"].items()}

    def _refuse_others(self, made: Plan, only: t.Collection[str]) -> None:
        touched = guard.others([change for _name, change in made.changes], only)
        if touched:
            raise OperatorError(
                f"this run is for {', '.join(sorted(only))} alone, but it would also touch: "
                f"{'; '.join(touched)}. Bring the server up to date first (playbook "
                "puffy.vmm.site), or allow it with -e others=allow",
                others=touched,
            )


def _changes(transactions: t.Iterable[Transaction]) -> t.Iterator[tuple[str, Change]]:
    for transaction in transactions:
        for step in transaction.steps:
            if step.change:
                yield transaction.name, step.change
