# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Kernel variables, live and in sysctl.conf(5)."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.server import sysctl
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Change, Step, run, undo
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer, Questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import (
    Context,
    DocumentError,
    Options,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.file import edited
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Phase, Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.lines import Line

SYSCTL_CONF: t.Final = "/etc/sysctl.conf"
_TOOL: t.Final = TOOLS["sysctl"]


class Sysctls:
    """Values by name; the facts are those of the kernel."""

    OPTION: t.ClassVar[str] = "sysctls"
    SPEC: t.ClassVar[Options] = {"type": "dict"}

    def desired(self, options: t.Any, context: Context) -> dict[str, str]:
        try:
            return sysctl(options)
        except Refused as refused:
            raise DocumentError(f"{context.name}: sysctls: {refused}") from refused

    def questions(self, desired: dict[str, str]) -> Questions:
        run = {"name": "sysctl", "argv": [_TOOL, *sorted(desired)]}
        return {"paths": edited([SYSCTL_CONF]), "run": [run]}

    def facts(self, answer: Answer, desired: dict[str, str]) -> dict[str, str]:
        # sysctl(8) exits 0 for a name that it does not know: what it printed counts.
        lines = answer.runs["sysctl"].stdout.splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def plan(self, desired: dict[str, str], facts: dict[str, str], out: Planning) -> None:
        """Set the values and read them back: sysctl(8) exits with 0 even for a bad value."""
        self.review(desired, out)
        for name, value in sorted(desired.items()):
            old = facts.get(name)
            title = out.title(f"sysctl {name}")
            if old is None:
                raise out.error(f"sysctl {name}", "this server's kernel has no such variable")
            if old == value:
                continue
            change = Change("set", name, f"from {old} to {value}")
            # VMs may depend on it by then, such as on forwarding.
            back = [undo(_TOOL, f"{name}={old}", at_once=True)]
            words = [_TOOL, f"{name}={value}"]
            fields = {
                "argv": [_TOOL, "-n", name],
                "match": [f"\\A{re.escape(value)}$"],
                "seconds": 2,
            }
            out.step(
                Phase.KERNEL,
                run(title, words, change=change, undo=back, undo_always=True),
                Step("wait", f"{title}: the kernel does not take {value}", fields),
            )

    def review(self, desired: dict[str, str], out: Planning) -> None:
        for name, value in sorted(desired.items()):
            line = Line(SYSCTL_CONF, f"{name}={value}", name)
            out.edit(SYSCTL_CONF, line.put(out.text(SYSCTL_CONF)))
