# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Interfaces that must exist before a service that needs them is touched."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import run
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer, Questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import (
    Context,
    Options,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.resource import Simple


class Interfaces(Simple[tuple[str, ...]]):
    """Names of interfaces; earlier documents may make them."""

    OPTION: t.ClassVar[str] = "interfaces"
    SPEC: t.ClassVar[Options] = {"type": "list", "elements": "str"}

    def desired(self, options: t.Any, context: Context) -> tuple[str, ...]:
        return tuple(dict.fromkeys(options))

    def questions(self, desired: tuple[str, ...]) -> Questions:
        return {"run": [{"name": name, "argv": [TOOLS["ifconfig"], name]} for name in desired]}

    def plan(self, desired: tuple[str, ...], facts: Answer, out: Planning) -> None:
        for name in desired:
            if facts.runs[name].rc != 0 and not out.made("interface", name):
                raise out.error(
                    f"interface {name}",
                    "does not exist on this server; create it first (hostname.if(5), netstart(8)), "
                    "since what needs it fails without it: vmd(8) exits, and every VM with it, "
                    "when the interface of a switch is missing",
                )
            title = out.title(f"interface {name} is gone, and what needs it would fail")
            out.before_services(run(title, [TOOLS["ifconfig"], name], timeout=30))
