# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What has been planned so far: the steps of a document, and how they will leave the server."""

from __future__ import annotations

import shlex
import typing as t
from collections import defaultdict
from dataclasses import dataclass, field, replace
from enum import IntEnum

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    NOBODYS,
    Change,
    FileDiff,
    PlanError,
    Step,
    digest,
    run,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.transaction import FILE_STEPS
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer, PathFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import DocumentError
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.file import (
    File,
    attributes,
    differ,
    parent,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.ifconfig import Interface

_CHECK_SECONDS: t.Final = 120


class Phase(IntEnum):
    """When a step of a document is carried out; within a phase, in the order of the registry.

    What must exist comes first (NEED), then what prepares the rest (PREPARE). Files are staged and
    read by their checkers (STAGE) before any of them is put into place (COMMIT). Then the kernel's
    state follows (KERNEL), and the services that read all this come last (SERVICE).
    """

    NEED = 0
    PREPARE = 1
    STAGE = 2
    REMOVE = 3
    COMMIT = 4
    KERNEL = 5
    SERVICE = 6


@dataclass(frozen=True)
class Notice:
    """What an operator should know about a subject, and no step changes."""

    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.text}"


class Job(t.Protocol):
    """Work before the transaction that takes long, such as downloads."""

    @property
    def changes(self) -> t.Sequence[Change]:
        """What it changes."""

    def carry_out(self, agent: t.Any, show: t.Callable[[str], None]) -> t.Sequence[Step]:
        """Do it, showing lines of progress; return the steps that put its results into place."""


@dataclass
class World:
    """A server as it was seen, and as the documents planned so far will leave it.

    A later document may count on what an earlier one makes: `made` holds such things as
    ("interface", "veb42") or ("group", "vmdusers").
    """

    paths: dict[str, PathFacts | None] = field(default_factory=dict)
    read: dict[str, bytes] = field(default_factory=dict)
    made: set[tuple[str, str]] = field(default_factory=set)
    links: dict[str, Interface] = field(default_factory=dict)

    @classmethod
    def of(cls, answers: t.Iterable[Answer]) -> World:
        world = cls()
        for answer in answers:
            for path, facts in answer.paths.items():
                known = world.paths.get(path)
                if known is None or (facts and facts.sha256):
                    world.paths[path] = facts
            world.read.update(answer.read)
        return world


class Planning:
    """Collects what the resources of one document plan."""

    def __init__(self, name: str, world: World) -> None:
        self.name = name
        self.world = world
        self.warnings: list[Notice] = []
        self.advice: list[Notice] = []
        self.pending: list[str] = []
        self.jobs: list[Job] = []
        # Services that this server cannot run, and why.
        self.unable: dict[str, str] = {}
        # Whether the files belong to something that is not a file, so that no rollback undoes them.
        self.stays = False
        # Makes services read the files again, if any of them is put back later.
        self.after: list[Step] = []
        # Whether this collection wrote a file of the document earlier.
        self.ours = False
        self._steps: dict[Phase, list[Step]] = defaultdict(list)
        self._files: dict[str, File] = {}
        self._before_services: list[Step] = []
        self._purges: list[tuple[str, Step]] = []

    def title(self, subject: str) -> str:
        """Return what the title of a step begins with: its document and its subject."""
        return f"{self.name}: {subject}"

    def error(self, subject: str, text: str) -> PlanError:
        return PlanError(f"{self.title(subject)}: {text}")

    def step(self, phase: Phase, *steps: Step) -> None:
        self._steps[phase].extend(steps)

    def has_steps(self, phase: Phase) -> bool:
        """Return whether anything is planned for a phase so far."""
        return bool(self._steps[phase])

    def purge(self, path: str, step: Step) -> None:
        """Add a step that removes a file, unless the document has a file there."""
        self._purges.append((path, step))

    def before_services(self, step: Step) -> None:
        """Add a step that is carried out before services are touched, if any is."""
        self._before_services.append(step)

    def warn(self, subject: str, text: str) -> None:
        self.warnings.append(Notice(subject, text))

    def advise(self, subject: str, text: str) -> None:
        """Add what a run shows, but what does not make the server differ from what it should be."""
        self.advice.append(Notice(subject, text))

    def makes(self, kind: str, name: str) -> None:
        self.world.made.add((kind, name))

    def made(self, kind: str, name: str) -> bool:
        return (kind, name) in self.world.made

    def path(self, path: str) -> PathFacts | None:
        """Return what will be at a path; None for nothing, or where nobody asked."""
        return self.world.paths.get(path)

    def text(self, path: str) -> str:
        """Return what the content of a file will be, "" where there will be none."""
        content = (
            self._files[path].content if path in self._files else self.world.read.get(path, b"")
        )
        return content.decode("utf-8", "surrogateescape")

    def file(self, file: File) -> None:
        """Add a file. Of two for the same path the later one counts."""
        facts = self.path(file.path)
        if facts and facts.type != "file":
            raise self.error(file.path, f"is a {facts.type}, not a file; move it away")
        self._files[file.path] = file
        if facts is None:
            self.need_parent(file.path)

    def edit(self, path: str, text: str, *, new_mode: str = "0644", **fields: t.Any) -> None:
        """Give a file that others write too a new text; mode and owner stay, if it exists."""
        file = File(path, text.encode("utf-8", "surrogateescape"), new_mode, **fields)
        facts = self.path(path)
        if facts and facts.type == "file":
            file = replace(file, mode=facts.mode, owner=facts.owner, group=facts.group)
        self.file(file)

    def need_parent(self, path: str) -> None:
        """Refuse a path whose directory will not exist (PlanError)."""
        directory = parent(path)
        facts = self.path(directory)
        if not self.made("directory", directory) and (facts is None or facts.type != "directory"):
            raise self.error(
                path,
                f"the directory {directory} does not exist on this server; create it or name it "
                "under directories",
            )

    @property
    def files_changed(self) -> bool:
        """Whether a file changes that services read."""
        return any(not file.quiet and self._differs(file) for file in self._files.values())

    def will_change(self, path: str) -> bool:
        return path in self._files and self._differs(self._files[path])

    @property
    def needs(self) -> tuple[Step, ...]:
        """What must be done before any document is carried out."""
        return tuple(self._steps[Phase.NEED])

    def finish(self) -> tuple[Step, ...]:
        """Return all other steps in order; the world is as they will leave it."""
        removals = {path: step for path, step in self._purges if path not in self._files}
        self._steps[Phase.REMOVE][:0] = removals.values()
        for path in removals:
            self.world.paths[path] = None
            self.world.read.pop(path, None)
        for file in self._files.values():
            self._place(file)
        if self._steps[Phase.SERVICE]:
            self._steps[Phase.SERVICE][:0] = self._before_services
        phases = [phase for phase in Phase if phase != Phase.NEED]
        return tuple(self._marked(step) for phase in phases for step in self._steps[phase])

    def _marked(self, step: Step) -> Step:
        """Return the step, marked where no rollback undoes it."""
        file = self._files.get(str(step.fields.get("path")))
        if step.do in FILE_STEPS and (self.stays or (file and file.stays)):
            return replace(step, fields={**step.fields, "stays": True})
        return step

    def _differs(self, file: File) -> bool:
        facts = self.path(file.path)
        return facts is None or facts.sha256 != digest(file.content) or differ(facts, file)

    def _place(self, file: File) -> None:
        facts = self.path(file.path)
        title = self.title(file.path)
        fields = {"path": file.path, **attributes(file)}
        if facts is None or facts.sha256 != digest(file.content):
            before = [facts.sha256 if facts else None]
            stage = Step("stage", title, {**fields, "before": before}, content=file.content)
            self.step(Phase.STAGE, stage)
            if file.validate:
                phase = Phase.COMMIT if file.check_last else Phase.STAGE
                self.step(phase, _check(title, file))
            self.step(Phase.COMMIT, _commit(title, file, before, self.world.read.get(file.path)))
        elif differ(facts, file):
            kind = "change mode or owner of"
            change = Change(kind, file.path, vms=file.vms, joint=file.joint)
            self.step(Phase.COMMIT, _silent(Step("attributes", title, fields, change=change), file))
        self.world.read[file.path] = file.content
        self.world.paths[file.path] = PathFacts(
            "file", fields["mode"], file.owner, file.group, len(file.content), digest(file.content)
        )


class Review(Planning):
    """Collects the files that a server would get, without a server."""

    def need_parent(self, path: str) -> None:
        return

    def files(self) -> tuple[File, ...]:
        """Return the files of the document; later documents find them as they are here."""
        files = tuple(self._files.values())
        self.finish()
        return files


def argv(command: str) -> tuple[str, ...]:
    """Split a command as a shell would and make its program's path absolute; no shell runs it.

    Raises DocumentError for a program that is neither absolute nor one of those in TOOLS.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise DocumentError(f"{command!r} is not a valid command: {error}") from error
    if not words:
        raise DocumentError("a command is empty; name a program and its arguments")
    program = TOOLS.get(words[0], words[0])
    if not program.startswith("/"):
        raise DocumentError(f"{words[0]!r} is not a known program; write its absolute path")
    return (program, *words[1:])


def _check(title: str, file: File) -> Step:
    command = argv(file.validate or "")
    words = [{"path": file.path} if word == "{path}" else word for word in command]
    program = command[0].rpartition("/")[2]
    return run(f"{title}: {program} refuses it", words, timeout=_CHECK_SECONDS)


def _commit(title: str, file: File, before: list[str | None], old: bytes | None) -> Step:
    existed = before != [None]
    kind = "change" if existed else "create"
    details = [f"without {', '.join(file.gone)}"] if file.gone else []
    details += [f"({file.note})"] if file.note else []
    fields = {
        "path": file.path,
        "before": before,
        "sha256": digest(file.content),
        "sensitive": file.sensitive,
    }
    change = Change(kind, file.path, " ".join(details), vms=file.vms, joint=file.joint)
    diff = FileDiff(file.path, file.content, file.sensitive, existed, old)
    return _silent(Step("commit", title, fields, change=change, diff=diff), file)


def _silent(step: Step, file: File) -> Step:
    """Return a step for a file; nobody is shown what happens to an internal one."""
    if not file.internal:
        return step
    return replace(step, fields={**step.fields, "internal": True}, change=None, diff=None)


def removal(
    title: str,
    path: str,
    facts: PathFacts | None,
    *,
    sensitive: bool,
    vms: frozenset[str] = NOBODYS,
) -> Step:
    """Return a step that removes a file, if it is still the one that was seen."""
    before = {"before": [facts.sha256]} if facts else {}
    return Step(
        "remove",
        title,
        {"path": path, "sensitive": sensitive, **before},
        change=Change("remove", path, vms=vms),
        diff=FileDiff(path, None, sensitive, existed=True),
    )
