# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The difference between a server as desired and as it is, as transactions in order."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    Change,
    FileDiff,
    PlanError,
    Step,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.transaction import Transaction
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer, Questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import (
    Job,
    Notice,
    Planning,
    World,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import Document
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.registry import (
    BY_OPTION,
    RESOURCES,
)

Answers = t.Mapping[str, Answer]


@dataclass(frozen=True)
class Part:
    """What a document needs: work that comes first, and the steps of its transaction."""

    name: str
    needs: tuple[Step, ...] = ()
    steps: tuple[Step, ...] = ()
    jobs: tuple[Job, ...] = ()
    confirm: int | None = None
    after: tuple[Step, ...] = ()
    warnings: tuple[Notice, ...] = ()
    pending: tuple[str, ...] = ()
    error: str | None = None
    advice: tuple[Notice, ...] = ()

    @property
    def changes(self) -> tuple[Change, ...]:
        """What is done, in order."""
        by_jobs = [change for job in self.jobs for change in job.changes]
        steps = (*self.needs, *self.steps)
        return (*by_jobs, *(step.change for step in steps if step.change))

    @property
    def shown(self) -> tuple[FileDiff | Change, ...]:
        """What a diff shows, in order: contents of files, and all other changes."""
        by_jobs = [change for job in self.jobs for change in job.changes]
        steps = [step.diff or step.change for step in self.steps]
        return (*by_jobs, *(item for item in steps if item))


@dataclass(frozen=True)
class Plan:
    """A part for each document, in their order."""

    parts: tuple[Part, ...] = ()

    @property
    def errors(self) -> tuple[tuple[str, str], ...]:
        """What is not possible, with the name of the document that asks for it."""
        return tuple((part.name, part.error) for part in self.parts if part.error)

    def raise_errors(self) -> None:
        """Raise PlanError with all that is not possible on this server."""
        if self.errors:
            raise PlanError("\n".join(text for _name, text in self.errors))

    @property
    def changes(self) -> tuple[tuple[str, Change], ...]:
        """What is done, with the name of the document that asks for it."""
        return tuple((part.name, change) for part in self.parts for change in part.changes)

    @property
    def steps(self) -> tuple[Step, ...]:
        needs = [step for part in self.parts for step in part.needs]
        return (*needs, *(step for part in self.parts for step in part.steps))

    def transactions(self, brought: t.Mapping[str, t.Sequence[Step]]) -> list[Transaction]:
        """Return what must be there first, then a transaction for each document.

        `brought` has steps that put into place what the jobs of a document brought.
        """
        needs = [Transaction(part.name, part.needs) for part in self.parts if part.needs]
        own = [
            Transaction(
                part.name,
                (*brought.get(part.name, ()), *part.steps),
                part.confirm,
                stays=True,
                after=part.after,
            )
            for part in self.parts
            if part.steps or brought.get(part.name)
        ]
        return needs + own

    @property
    def shown(self) -> tuple[FileDiff | Change, ...]:
        return tuple(item for part in self.parts for item in part.shown)


def key(document: Document, option: str) -> str:
    """Return the key for the questions and answers of a document's resource."""
    return f"{document.name}/{option}"


def questions(documents: t.Sequence[Document]) -> dict[str, Questions]:
    """Return the questions for these documents, by key."""
    return {
        key(document, option): asks
        for document in documents
        for option, desired in document.wants.items()
        if (asks := BY_OPTION[option].questions(desired))
    }


def plan(
    documents: t.Sequence[Document], answers: Answers, stopped: t.Collection[str] = ()
) -> Plan:
    """Return what brings a server from what it answered to what the documents describe.

    `stopped` are VMs that will be stopped first, though they ran when the server was looked at.
    A document that is not possible on this server has the reason in place of its steps.
    """
    world = World.of(answers.values())
    world.made |= {("stopped VM", name) for name in stopped}
    return Plan(tuple(_part(document, answers, world) for document in documents))


def _part(document: Document, answers: Answers, world: World) -> Part:
    out = Planning(document.name, world)
    try:
        for resource in RESOURCES:
            if resource.OPTION in document.wants:
                desired = document.wants[resource.OPTION]
                answer = answers.get(key(document, resource.OPTION), Answer())
                resource.plan(desired, resource.facts(answer, desired), out)
    except PlanError as error:
        return Part(document.name, error=str(error))
    steps = out.finish()
    return Part(
        document.name,
        out.needs,
        steps,
        tuple(out.jobs),
        document.confirm,
        tuple(out.after),
        tuple(out.warnings),
        tuple(out.pending),
        advice=tuple(out.advice),
    )
