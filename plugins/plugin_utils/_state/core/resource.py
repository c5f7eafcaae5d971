# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What every type of resource is made of; docs/extending.md says how to write one."""

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

    def desired(self, options: t.Any, context: Context, /) -> W:
        """Return what is desired, from options that SPEC has checked. Raises DocumentError."""

    def questions(self, desired: W, /) -> Questions:
        """Return what to ask the server (_agent/answers.py)."""

    def facts(self, answer: Answer, desired: W, /) -> F:
        """Return what the server answered."""

    def plan(self, desired: W, facts: F, out: Planning, /) -> None:
        """Add steps, files and warnings to `out`. Raises PlanError."""

    def review(self, desired: W, out: Planning, /) -> None:
        """Add the files that a person can read without a connection to the server."""


class Simple(t.Generic[W]):
    """A type whose facts are the answer, and that has no questions and nothing to review."""

    OPTION: t.ClassVar[str]
    SPEC: t.ClassVar[Options]

    def questions(self, desired: W) -> Questions:
        return {}

    def facts(self, answer: Answer, desired: W) -> Answer:
        return answer

    def review(self, desired: W, out: Planning) -> None:
        return
