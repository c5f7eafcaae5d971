# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""vmm(4), without which vmd(8) cannot run VMs."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer, Questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import (
    Context,
    Options,
    given,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.resource import Simple

# Opening it fails with ENODEV or ENXIO where the processor or the machine's setup does not offer
# what vmm(4) needs; what dmesg(8) says may be of an earlier boot. Opening has no other effect.
DEVICE: t.Final = "/dev/vmm"
_LACKS: t.Final = (
    "this server has no usable vmm(4), so vmd(8) cannot run: its processor has neither VMX/EPT nor "
    "SVM/RVI, or they are switched off in the machine's firmware (Intel: VT-x, AMD: SVM)"
)


@dataclass(frozen=True)
class Wanted:
    """`needed` is "required" where nothing makes sense without vmm(4), else "optional".

    Then the service that needs it is configured and not started.
    """

    needed: str
    service: str
    advice: str = ""


class Vmm(Simple[Wanted]):
    """Whether the server can run VMs at all, seen before anything is touched."""

    OPTION: t.ClassVar[str] = "vmm"
    SPEC: t.ClassVar[Options] = {
        "type": "dict",
        "options": {
            "needed": {"type": "str", "choices": ["required", "optional"], "required": True},
            "service": {"type": "str", "required": True},
            "advice": {"type": "str"},
        },
    }

    def wanted(self, given_value: t.Any, context: Context) -> Wanted:
        return Wanted(**given(given_value))

    def questions(self, want: Wanted) -> Questions:
        return {"open": [DEVICE]}

    def plan(self, want: Wanted, facts: Answer, out: Planning) -> None:
        why = facts.opened.get(DEVICE)
        if not why:
            return
        if want.needed == "required":
            advice = f"; {want.advice}" if want.advice else ""
            raise out.error(DEVICE, f"{why}: {_LACKS}{advice}")
        out.unable[want.service] = why
        out.warn(DEVICE, f"{why}: {_LACKS}; {want.service} is configured, and not started")
