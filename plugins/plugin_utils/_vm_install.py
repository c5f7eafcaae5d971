# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Installs VMs of one server from the network, all at the same time, or goes on with that."""

from __future__ import annotations

import contextlib
import time
import typing as t
from dataclasses import dataclass, field

from ansible_collections.puffy.vmm.plugins.plugin_utils import _vm_facts, _vm_steps, _vm_watch
from ansible_collections.puffy.vmm.plugins.plugin_utils._action import Failure
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._steps import Step
from ansible_collections.puffy.vmm.plugins.plugin_utils._vm_facts import Silent, VmFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._vm_watch import SETS, Progress, Watch

Vm = t.Mapping[str, t.Any]

# vmd(8) starts what it has loaded a moment later.
_START_SECONDS: t.Final = 60


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
        """Installs them, or goes on with what an earlier run began. Raises Failure."""
        outcome = Outcome()
        answer = self.agent.probe(Watch(vms, {}).questions())
        facts = _vm_facts.parse(answer, vms)
        sizes = _vm_watch.log_sizes(answer)
        begins: dict[str, t.Mapping[str, int]] = {}
        for vm in vms:
            name, one = vm["name"], facts[vm["name"]]
            if one.installed and not one.begun:
                outcome.installed.append(name)
            elif one.running and one.begun and one.marker:
                self.say(f"  {name} is being installed already")
                begins[name] = one.marker.offsets
            elif one.running:
                outcome.failures[name] = f"{name} runs, and an installation would overwrite it"
            elif self._boots(vm, one, sizes, outcome):
                begins[name] = sizes
        self._watch([vm for vm in vms if vm["name"] in begins], begins, outcome)
        return outcome

    def _boots(self, vm: Vm, facts: VmFacts, sizes: t.Mapping[str, int], outcome: Outcome) -> bool:
        conf = self.conf(vm)
        steps = _vm_steps.boot_installer(vm, facts, conf, sizes, self.agent.by)
        return self._carry_out(vm["name"], steps, outcome)

    def _carry_out(self, name: str, steps: t.Iterable[Step], outcome: Outcome) -> bool:
        """One VM that cannot be had does not keep others from theirs."""
        try:
            self.agent.apply(list(steps))
        except Failure as failure:
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
            with contextlib.suppress(Silent):
                facts = watch.feed(self.agent.probe(watch.questions()))
            now = time.monotonic()
            for name, vm in list(left.items()):
                progress = watch.progress[name]
                if name in facts and facts[name].written != written.get(name):
                    written[name], moved[name] = facts[name].written, now
                if shown.get(name) != str(progress):
                    shown[name], moved[name] = str(progress), now
                    self.say(f"  {name} {progress} [{now - begin:.0f} s]")
                if name in facts and self._ended(vm, facts[name], progress, now - begin, outcome):
                    del left[name]
                elif now - moved[name] > self.timeout:
                    del left[name]
                    outcome.failures[name] = (
                        f"{name}: nothing new for {self.timeout} s while it {progress}; the "
                        f"installer waits on the console (as root on the server: vmctl console "
                        f"{name}); run again to go on watching"
                    )
            if left:
                time.sleep(self.interval)

    def _ended(
        self, vm: Vm, facts: VmFacts, progress: Progress, passed: float, outcome: Outcome
    ) -> bool:
        """Whether nothing more is to be waited for; concludes what was installed."""
        name = vm["name"]
        if not facts.begun:
            # Another run watched as well, and was faster.
            outcome.installed.append(name)
            return True
        if progress.state is not None or (progress.untouched and passed <= _START_SECONDS):
            return False
        if progress.stage != SETS or progress.asked:
            outcome.failures[name] = (
                f"{name}: it was stopped while it {progress}; its new image is kept aside; run "
                "again to install it anew"
            )
            return True
        self.say(f"  {name} has rebooted [{passed:.0f} s]")
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        if self._carry_out(name, _vm_steps.conclude_install(vm, facts, stamp), outcome):
            outcome.installed.append(name)
        return True
