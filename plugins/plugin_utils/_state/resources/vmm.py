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
    declared,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.resource import Simple

# Opening it fails with ENODEV or ENXIO where the processor or the machine's setup lacks what vmm(4)
# needs; what dmesg(8) shows may be of an earlier boot. Opening has no other effect.
DEVICE: t.Final = "/dev/vmm"
_LACKS: t.Final = (
    "this server has no usable vmm(4), so vmd(8) cannot run: its processor has neither VMX/EPT nor "
    "SVM/RVI, or they are switched off in the machine's firmware (Intel: VT-x, AMD: SVM)"
)


@dataclass(frozen=True)
class Desired:
    """`needed` is "required" where nothing makes sense without vmm(4), else "optional".

    In the latter case the service that needs it is configured, but not started.
    """

    needed: str
    service: str
    advice: str = ""


class Vmm(Simple[Desired]):
    """Whether the server can run VMs at all, checked before anything is touched."""

    OPTION: t.ClassVar[str] = "vmm"
    SPEC: t.ClassVar[Options] = {
        "type": "dict",
        "options": {
            "needed": {"type": "str", "choices": ["required", "optional"], "required": True},
            "service": {"type": "str", "required": True},
            "advice": {"type": "str"},
        },
    }

    def desired(self, options: t.Any, context: Context) -> Desired:
        return Desired(**declared(options))

    def questions(self, desired: Desired) -> Questions:
        return {"open": [DEVICE]}

    def plan(self, desired: Desired, facts: Answer, out: Planning) -> None:
        why = facts.opened.get(DEVICE)
        if not why:
            return
        if desired.needed == "required":
            advice = f"; {desired.advice}" if desired.advice else ""
            raise out.error(DEVICE, f"{why}: {_LACKS}{advice}")
        out.unable[desired.service] = why
        out.warn(DEVICE, f"{why}: {_LACKS}; {desired.service} is configured, but not started")
