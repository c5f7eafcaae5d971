# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a look at a server says of its VMs, and what is to be done with them."""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass

from ansible_collections.puffy.vmm.plugins.plugin_utils._life.life import (
    LifePlan,
    Request,
    plan_life,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import facts as vm_facts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import Image, VmFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine


@dataclass(frozen=True)
class Look:
    """The VMs of a server as they are meant, as they are, and what is done with them."""

    machines: tuple[Machine, ...]
    facts: t.Mapping[str, VmFacts]
    plan: LifePlan
    request: Request
    pending: tuple[str, ...] = ()
    dhcpd_conf: str = ""

    @classmethod
    def of(
        cls, answer: t.Mapping[str, t.Any], machines: t.Sequence[Machine], request: Request
    ) -> Look:
        """From the answer to facts.questions(). Raises OperatorError."""
        facts = vm_facts.parse(answer, machines)
        return cls(
            tuple(machines),
            facts,
            plan_life(machines, facts, request),
            request,
            tuple(vm_facts.pending(answer)),
            vm_facts.text(answer, vm_facts.DHCPD_CONF),
        )

    def shown(self) -> dict[str, dict[str, t.Any]]:
        """What is shown of each VM, by its name."""
        return {machine.name: self._shown(machine.name) for machine in self.machines}

    def _shown(self, name: str) -> dict[str, t.Any]:
        facts = self.facts[name]
        return {
            "image": str(facts.image),
            "archived": facts.archived != Image.ABSENT,
            "installing": self.request.binds(facts),
            "installed": facts.installed,
            "state": facts.status.state if facts.status else "unknown",
            "running": facts.running,
            "pending": name in self.pending,
            "pid": facts.status.pid if facts.status else None,
            "disk_bytes": facts.disk_bytes,
        }

    def result(self) -> dict[str, t.Any]:
        """The plan as plain data, for what follows in a playbook."""
        return asdict(self.plan)


@dataclass(frozen=True)
class Share:
    """Which VMs of a server this run installs, which any run does, and which are in vm.conf(5)."""

    installing: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    defined: tuple[str, ...] = ()

    @classmethod
    def expected(cls, machines: t.Iterable[Machine]) -> Share:
        """What the ledger lets expect before the server was asked."""
        names = [machine.name for machine in machines if _has_system(machine)]
        return cls(defined=tuple(names))

    @classmethod
    def planned(cls, plan: LifePlan) -> Share:
        """What follows from the plan."""
        held = dict.fromkeys((*plan.hold, *plan.install))
        return cls(plan.install, tuple(held), plan.defined)


def _has_system(machine: Machine) -> bool:
    return machine.was_installed and machine.state != "archived"
