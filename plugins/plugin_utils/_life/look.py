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
        """Read the answer to facts.questions(). Raises OperatorError."""
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
        """Return what is shown of each VM, by name."""
        return {machine.name: self._shown(machine) for machine in self.machines}

    def _shown(self, machine: Machine) -> dict[str, t.Any]:
        facts = self.facts[machine.name]
        return {
            "image": str(facts.image),
            "archived": facts.archived != Image.ABSENT,
            "installing": self.request.binds(machine, facts),
            "installed": facts.installed,
            "from_cdrom": machine.name in self.plan.cdrom,
            "state": facts.status.state if facts.status else "unknown",
            "running": facts.running,
            "pending": machine.name in self.pending,
            "pid": facts.status.pid if facts.status else None,
            "disk_bytes": facts.disk_bytes,
            "image_bytes": list(facts.bytes),
        }

    def result(self) -> dict[str, t.Any]:
        """Return the plan as plain data, for what follows in a playbook."""
        return asdict(self.plan)


@dataclass(frozen=True)
class Share:
    """Which VMs of a server this run installs, which any run does, and which are in vm.conf(5).

    What of those is in their definitions: disks, cdrom and kernel are LifePlan's.
    """

    installing: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    defined: tuple[str, ...] = ()
    disks: tuple[str, ...] = ()
    cdrom: tuple[str, ...] = ()
    kernel: tuple[str, ...] = ()

    @classmethod
    def expected(cls, machines: t.Iterable[Machine]) -> Share:
        """Return what the ledger suggests before the server was asked."""
        return cls.of(filter(_has_system, machines))

    @classmethod
    def of(cls, machines: t.Iterable[Machine], installing: t.Sequence[str] = ()) -> Share:
        """Return these VMs as they are in vm.conf(5) by their files and the ledger."""
        here = [machine for machine in machines if machine.name not in installing]
        names = tuple(machine.name for machine in here)
        return cls(
            tuple(installing),
            tuple(installing),
            names,
            names,
            tuple(machine.name for machine in here if machine.from_cdrom),
            tuple(machine.name for machine in here if machine.boot),
        )

    @classmethod
    def planned(cls, plan: LifePlan) -> Share:
        """Return what follows from the plan."""
        held = dict.fromkeys((*plan.hold, *plan.install))
        return cls(plan.install, tuple(held), plan.defined, plan.disks, plan.cdrom, plan.kernel)


def _has_system(machine: Machine) -> bool:
    return (machine.was_installed or machine.from_cdrom) and machine.state != "archived"
