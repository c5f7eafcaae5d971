# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Installs VMs of one server from the network, all at the same time, or goes on with that."""

from __future__ import annotations

import re
import time
import typing as t
from contextlib import suppress
from dataclasses import dataclass, field

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import facts as vm_facts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import steps as vm_steps
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import watch as vm_watch
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import Silent, VmFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.watch import (
    RESPONSE,
    SETS,
    Progress,
    Watch,
)

Vm = t.Mapping[str, t.Any]

# vmd(8) starts what it has loaded a moment later.
_START_SECONDS: t.Final = 60
# What the console showed last is there a moment after the VM has ended.
_LOOKS: t.Final = 2
_TTY = re.compile("tty[A-Za-z0-9]+")


@dataclass
class Outcome:
    """What became of each VM: the names of those installed, and why others are not."""

    installed: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Installer:
    """`conf` gives the vm.conf(5) to load for a VM; `say` shows a line to the operator.

    `timeout` is how long a VM may get no further, `interval` is between two looks, in seconds.
    """

    agent: Agent
    conf: t.Callable[[Vm], bytes]
    say: t.Callable[[str], None]
    timeout: int
    interval: float

    def install(self, vms: t.Sequence[Vm]) -> Outcome:
        """Installs them, or goes on with what an earlier run began. Raises OperatorError."""
        outcome = Outcome()
        answer = self.agent.look(Watch(vms, {}).questions())
        facts = vm_facts.parse(answer, vms)
        sizes = vm_watch.log_sizes(answer)
        begins: dict[str, t.Mapping[str, int]] = {}
        unseen = self._ended_unseen([vm for vm in vms if facts[vm["name"]].begun], facts)
        for vm in vms:
            name, one = vm["name"], facts[vm["name"]]
            if one.installed and not one.begun:
                outcome.installed.append(name)
            elif one.running and one.begun and one.marker:
                self.say(f"  {name} is being installed already")
                begins[name] = one.marker.offsets
            elif name in unseen:
                self._conclude(vm, one, outcome)
            elif one.running:
                outcome.failures[name] = f"{name} runs, and an installation would overwrite it"
            elif self._boots(vm, one, sizes, outcome):
                begins[name] = sizes
            elif (now := self._now(vm)).running and now.begun and now.marker:
                # Another run was faster by a moment.
                del outcome.failures[name]
                begins[name] = now.marker.offsets
        self._watch([vm for vm in vms if vm["name"] in begins], begins, outcome)
        return outcome

    def _ended_unseen(self, vms: t.Sequence[Vm], facts: t.Mapping[str, VmFacts]) -> frozenset[str]:
        """Names of those whose installation came to its end while no run was watching."""
        rested = [vm for vm in vms if not facts[vm["name"]].running]
        if not rested:
            return frozenset()
        watch = Watch(rested, {vm["name"]: {} for vm in rested})
        # The first look tells whose consoles were recorded, the second what they said.
        for _look in range(2):
            watch.feed(self.agent.look(watch.questions()))
        return frozenset(name for name, now in watch.progress.items() if now.proven)

    def _boots(self, vm: Vm, facts: VmFacts, sizes: t.Mapping[str, int], outcome: Outcome) -> bool:
        conf = self.conf(vm)
        steps = vm_steps.boot_installer(vm, facts, conf, sizes, self.agent.by)
        return self._carry_out(vm["name"], steps, outcome)

    def _carry_out(self, name: str, steps: t.Iterable[Step], outcome: Outcome) -> bool:
        """One VM that cannot be had does not keep others from theirs."""
        try:
            self.agent.carry_out("install", steps)
        except OperatorError as failure:
            outcome.failures[name] = str(failure)
            return False
        return True

    def _watch(
        self,
        vms: t.Sequence[Vm],
        begins: t.Mapping[str, t.Mapping[str, int]],
        outcome: Outcome,
    ) -> None:
        watch = Watch(vms, begins)
        begin = time.monotonic()
        shown: dict[str, str] = {}
        moved = dict.fromkeys(begins, begin)
        written: dict[str, int] = {}
        left = {vm["name"]: vm for vm in vms}
        while left:
            facts: t.Mapping[str, VmFacts] = {}
            with suppress(Silent):
                facts = watch.feed(self.agent.look(watch.questions()))
            now = time.monotonic()
            for name, vm in list(left.items()):
                progress = watch.progress[name]
                if name in facts and facts[name].written != written.get(name):
                    written[name], moved[name] = facts[name].written, now
                if shown.get(name) != str(progress):
                    shown[name], moved[name] = str(progress), now
                    self.say(f"  {name} {progress} [{now - begin:.0f} s]")
                if name in facts:
                    self._record(vm, facts[name], watch)
                if name in facts and self._ended(vm, facts[name], watch, now - begin, outcome):
                    del left[name]
                elif progress.gave_up or now - moved[name] > self.timeout:
                    del left[name]
                    outcome.failures[name] = self._given_up(vm, progress)
            if left:
                time.sleep(self.interval)

    def _record(self, vm: Vm, facts: VmFacts, watch: Watch) -> None:
        """Has the console recorded, which is of use and not needed."""
        name, tty = vm["name"], facts.status.tty if facts.status else ""
        progress = watch.progress[name]
        if progress.stage not in (RESPONSE, SETS) or watch.is_recorded(name):
            return
        if progress.state == "running" and _TTY.fullmatch(tty):
            try:
                self.agent.carry_out("install", vm_steps.record_console(vm, tty))
            except OperatorError as failure:
                self.say(f"  {name}: its console is not recorded: {failure}")
            watch.tried(name)

    def _given_up(self, vm: Vm, progress: Progress) -> str:
        name = vm["name"]
        with suppress(OperatorError):
            self.agent.carry_out("install", vm_steps.end_record(vm))
        why = "the installer gave up" if progress.gave_up else f"nothing new for {self.timeout} s"
        return (
            f"{name}: {why} while it {progress}; it waits on the console (as root on the server: "
            f"vmctl console {name}); stop it (vmctl stop -f {name}) and run again to install it "
            f"anew, or run again to go on watching{_shown(progress)}"
        )

    def _ended(self, vm: Vm, facts: VmFacts, watch: Watch, passed: float, outcome: Outcome) -> bool:
        """Whether nothing more is to be waited for; concludes what was installed."""
        name, progress = vm["name"], watch.progress[vm["name"]]
        if not facts.begun:
            # Another run watched as well, and was faster.
            outcome.installed.append(name)
            return True
        if progress.state is not None or (progress.untouched and passed <= _START_SECONDS):
            return False
        if progress.rests < _LOOKS:
            return False
        if not progress.done:
            outcome.failures[name] = (
                f"{name}: it was stopped while it {progress}; its new image is kept aside; run "
                f"again to install it anew{_shown(progress)}"
            )
            return True
        self.say(f"  {name} has rebooted [{passed:.0f} s]")
        self._conclude(vm, facts, outcome)
        return True

    def _conclude(self, vm: Vm, facts: VmFacts, outcome: Outcome) -> None:
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        steps = vm_steps.conclude_install(vm, facts, stamp)
        name = vm["name"]
        if not self._carry_out(name, steps, outcome):
            now = self._now(vm)
            if now.begun or now.image != "data":
                return
            # Another run watched as well, and was faster by a moment.
            del outcome.failures[name]
        outcome.installed.append(name)

    def _now(self, vm: Vm) -> VmFacts:
        return vm_facts.parse(self.agent.look(vm_facts.questions([vm])), [vm])[vm["name"]]


def _shown(progress: Progress) -> str:
    return f"; its console ended with\n{progress.tail}" if progress.tail else ""
