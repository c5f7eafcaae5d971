# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What is planned so far: the steps of a document, and how they will leave the server."""

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

    What must hold is looked for first (NEED), and made ready (PREPARE). Files are staged and read
    by their checkers (STAGE) before any of them is put into place (COMMIT). Then what the kernel
    has follows (KERNEL), and the services that read all this come last (SERVICE).
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
    """What an operator should know and no step mends, of a document's subject."""

    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.text}"


class Job(t.Protocol):
    """Work that takes long and goes before the transaction, such as downloads."""

    @property
    def changes(self) -> t.Sequence[Change]: ...

    def carry_out(self, agent: t.Any, show: t.Callable[[str], None]) -> t.Sequence[Step]:
        """Does it, showing lines of progress; the steps that put its results into place."""


@dataclass
class World:
    """A server as it was seen, and as the documents that were planned so far will leave it.

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
        self.pending: list[str] = []
        self.jobs: list[Job] = []
        # Services that this server cannot run, and why.
        self.unable: dict[str, str] = {}
        # Whether the files go with what is not a file, so that no rollback puts them back.
        self.stays = False
        # What has services read the files again, if any of them is put back later.
        self.after: list[Step] = []
        # Whether this collection wrote a file of the document before.
        self.ours = False
        self._steps: dict[Phase, list[Step]] = defaultdict(list)
        self._files: dict[str, File] = {}
        self._before_services: list[Step] = []
        self._purges: list[tuple[str, Step]] = []

    def title(self, subject: str) -> str:
        """What the title of a step begins with: whose it is, and what it is about."""
        return f"{self.name}: {subject}"

    def error(self, subject: str, text: str) -> PlanError:
        return PlanError(f"{self.name}: {subject}: {text}")

    def step(self, phase: Phase, *steps: Step) -> None:
        self._steps[phase].extend(steps)

    def has_steps(self, phase: Phase) -> bool:
        """Whether anything is planned for a phase so far."""
        return bool(self._steps[phase])

    def purge(self, path: str, step: Step) -> None:
        """A step that removes a file, unless the document wants a file there."""
        self._purges.append((path, step))

    def before_services(self, step: Step) -> None:
        """A step that is carried out where a service is touched, and before it is."""
        self._before_services.append(step)

    def warn(self, subject: str, text: str) -> None:
        self.warnings.append(Notice(subject, text))

    def makes(self, kind: str, name: str) -> None:
        self.world.made.add((kind, name))

    def made(self, kind: str, name: str) -> bool:
        return (kind, name) in self.world.made

    def path(self, path: str) -> PathFacts | None:
        """What is at a path by then; None for nothing, and for a path that nobody asked for."""
        return self.world.paths.get(path)

    def text(self, path: str) -> str:
        """The content of a file by then, "" where there is none."""
        content = (
            self._files[path].content if path in self._files else self.world.read.get(path, b"")
        )
        return content.decode("utf-8", "surrogateescape")

    def file(self, item: File) -> None:
        """A file as it is to be. Of two for the same path the later one counts."""
        facts = self.path(item.path)
        if facts and facts.type != "file":
            raise self.error(item.path, f"is a {facts.type}, not a file; move it away")
        self._files[item.path] = item
        if facts is None:
            self.need_parent(item.path)

    def edit(self, path: str, text: str, *, new_mode: str = "0644", **fields: t.Any) -> None:
        """New text for a file that others write too: what is there keeps its mode and owner."""
        item = File(path, text.encode("utf-8", "surrogateescape"), new_mode, **fields)
        facts = self.path(path)
        if facts and facts.type == "file":
            item = replace(item, mode=facts.mode, owner=facts.owner, group=facts.group)
        self.file(item)

    def need_parent(self, path: str) -> None:
        """Raises PlanError where the directory of a path is not there by then."""
        directory = parent(path)
        facts = self.path(directory)
        if not self.made("directory", directory) and (facts is None or facts.type != "directory"):
            raise self.error(
                path,
                f"there is no directory {directory} on this server; create it or name it "
                "under directories",
            )

    @property
    def files_changed(self) -> bool:
        """Whether a file changes that services read."""
        return any(not item.quiet and self._differs(item) for item in self._files.values())

    def will_change(self, path: str) -> bool:
        return path in self._files and self._differs(self._files[path])

    def planned(self, path: str) -> bool:
        """Whether the document wants a file there."""
        return path in self._files

    @property
    def needs(self) -> tuple[Step, ...]:
        """What must be there before any document is carried out."""
        return tuple(self._steps[Phase.NEED])

    def finish(self) -> tuple[Step, ...]:
        """All other steps in order; the world is as they will leave it."""
        removals = {path: step for path, step in self._purges if path not in self._files}
        self._steps[Phase.REMOVE][:0] = removals.values()
        for path in removals:
            self.world.paths[path] = None
            self.world.read.pop(path, None)
        for item in self._files.values():
            self._place(item)
        if self._steps[Phase.SERVICE]:
            self._steps[Phase.SERVICE][:0] = self._before_services
        phases = [phase for phase in Phase if phase != Phase.NEED]
        return tuple(self._kept(step) for phase in phases for step in self._steps[phase])

    def _kept(self, step: Step) -> Step:
        """The step, with a mark where no rollback undoes it."""
        item = self._files.get(str(step.fields.get("path")))
        if step.do in FILE_STEPS and (self.stays or (item and item.stays)):
            return replace(step, fields={**step.fields, "stays": True})
        return step

    def _differs(self, item: File) -> bool:
        facts = self.path(item.path)
        same = facts and facts.sha256 == digest(item.content)
        return not same or (facts is not None and differ(facts, item))

    def _place(self, item: File) -> None:
        facts = self.path(item.path)
        title = self.title(item.path)
        sha256 = digest(item.content)
        if facts and facts.sha256 == sha256:
            if differ(facts, item):
                kind = "change mode or owner of"
                change = Change(kind, item.path, vms=item.vms, joint=item.joint)
                fields: dict[str, t.Any] = {"path": item.path, **attributes(item)}
                shown = None if item.internal else change
                fields |= {"internal": True} if item.internal else {}
                self.step(Phase.COMMIT, Step("attributes", title, fields, change=shown))
        else:
            before = [facts.sha256 if facts else None]
            wanted = {"path": item.path, "before": before, **attributes(item)}
            self.step(Phase.STAGE, Step("stage", title, wanted, content=item.content))
            if item.validate:
                phase = Phase.COMMIT if item.check_last else Phase.STAGE
                self.step(phase, _check(title, item))
            self.step(Phase.COMMIT, _commit(title, item, before, self.world.read.get(item.path)))
        self.world.read[item.path] = item.content
        self.world.paths[item.path] = PathFacts(
            "file",
            attributes(item)["mode"],
            item.owner,
            item.group,
            len(item.content),
            sha256,
        )


class Review(Planning):
    """Collects the files that a server would get, without a server."""

    def need_parent(self, path: str) -> None:
        return

    def files(self) -> tuple[File, ...]:
        """The files of the document; later documents find them as they are here."""
        files = tuple(self._files.values())
        self.finish()
        return files


def argv(command: str) -> tuple[str, ...]:
    """Splits a command as a shell would and gives its program an absolute path; no shell runs it.

    Raises DocumentError for a program that is neither absolute nor one of OpenBSD's that we know.
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


def _check(title: str, item: File) -> Step:
    command = argv(item.validate or "")
    words = [{"path": item.path} if word == "{path}" else word for word in command]
    program = command[0].rpartition("/")[2]
    return run(f"{title}: {program} refuses it", words, timeout=_CHECK_SECONDS)


def _commit(title: str, item: File, before: list[str | None], old: bytes | None) -> Step:
    existed = before != [None]
    kind = "change" if existed else "create"
    details = [f"without {', '.join(item.gone)}"] if item.gone else []
    details += [f"({item.note})"] if item.note else []
    fields = {
        "path": item.path,
        "before": before,
        "sha256": digest(item.content),
        "sensitive": item.sensitive,
    }
    if item.internal:
        return Step("commit", title, {**fields, "internal": True})
    return Step(
        "commit",
        title,
        fields,
        change=Change(kind, item.path, " ".join(details), vms=item.vms, joint=item.joint),
        diff=FileDiff(item.path, item.content, item.sensitive, existed, old),
    )


def removal(
    title: str,
    path: str,
    facts: PathFacts | None,
    *,
    sensitive: bool,
    vms: frozenset[str] = NOBODYS,
) -> Step:
    """Removes a file, if it is still the one that was seen."""
    before = {"before": [facts.sha256]} if facts else {}
    return Step(
        "remove",
        title,
        {"path": path, "sensitive": sensitive, **before},
        change=Change("remove", path, vms=vms),
        diff=FileDiff(path, None, sensitive, existed=True),
    )
