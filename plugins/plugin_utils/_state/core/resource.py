# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What every type of resource is made of: see docs/extending.md for how to write one."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer, Questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import (
    Context,
    Options,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Planning

W = t.TypeVar("W")
F = t.TypeVar("F")


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
