# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What every type of resource is made of: see docs/extending.md for how to write one."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import PurePosixPath

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import EVERYBODYS
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer, Questions

if t.TYPE_CHECKING:
    from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Planning

Options = dict[str, t.Any]
W = t.TypeVar("W")
F = t.TypeVar("F")

_PATH: t.Final = re.compile(r"\A(/[A-Za-z0-9_.,:@%+=-]+)+\Z")


class DocumentError(OperatorError, ValueError):
    """A state document that cannot be meant: says which document, resource and value."""


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
class File:
    """A file with its whole content, in bytes.

    `note` says what a change of it brings, `gone` are VMs that it names no more, `vms` and `joint`
    whose it is (see Change), `quiet` that no service has to read it again, `internal` that it is a
    note of this collection, which is not shown to anybody, and `check_last` that its checker reads
    files of the same document that must be in place by then.
    """

    path: str
    content: bytes
    mode: str = "0644"
    owner: str = "root"
    group: str = "wheel"
    validate: str | None = None
    sensitive: bool = False
    note: str | None = None
    gone: tuple[str, ...] = ()
    vms: frozenset[str] = EVERYBODYS
    joint: bool = False
    quiet: bool = False
    internal: bool = False
    check_last: bool = False


@dataclass(frozen=True)
class Context:
    """What a resource may need to make its wanted state from a task's arguments.

    `template` turns the name of a template and extra variables into text, `find` the name of a
    file into its path on the controller.
    """

    name: str
    template: t.Callable[[str, t.Mapping[str, t.Any]], str]
    find: t.Callable[[str], str] = str
    one_time: t.Mapping[str, str] = field(default_factory=dict)

    def path(self, text: str) -> str:
        """A path for a server. Raises DocumentError for one that is unsafe."""
        if not _PATH.match(text) or ".." in PurePosixPath(text).parts:
            raise DocumentError(
                f"{self.name}: {text!r} is not a valid path on a server; use an absolute path of "
                "letters, digits and . _ - , : @ % + = without '..'"
            )
        return text


class Resource(t.Protocol[W, F]):
    """A type of resource: from a task's arguments to steps on a server."""

    OPTION: t.ClassVar[str]
    SPEC: t.ClassVar[Options]

    def wanted(self, given: t.Any, context: Context, /) -> W:
        """What is wanted, from arguments that SPEC has checked. Raises DocumentError."""

    def questions(self, want: W, /) -> Questions:
        """What is to be asked of the server (perl/probe.pl)."""

    def facts(self, answer: Answer, want: W, /) -> F:
        """What the server said to that."""

    def plan(self, want: W, facts: F, out: Planning, /) -> None:
        """Adds steps, files and warnings to `out`. Raises PlanError."""

    def review(self, want: W, out: Planning, /) -> None:
        """Adds the files that a person can read before a server is connected to."""


class Simple(t.Generic[W]):
    """What most types have in common: facts that are the answer, and nothing to review."""

    OPTION: t.ClassVar[str]
    SPEC: t.ClassVar[Options]

    def questions(self, want: W) -> Questions:
        return {}

    def facts(self, answer: Answer, want: W) -> Answer:
        return answer

    def review(self, want: W, out: Planning) -> None:
        return


def given(item: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What an argument sets, lists as tuples, without what it leaves to the default."""
    return {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in item.items()
        if value is not None
    }


def list_of(options: Options) -> Options:
    """The spec of a list of mappings."""
    return {"type": "list", "elements": "dict", "options": options}


ATTRIBUTES: t.Final[Options] = {
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "wheel"},
}
