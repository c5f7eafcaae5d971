# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Installs VMs of one server from the network, all at the same time, or continues that."""

from __future__ import annotations

import re
import time
import typing as t
from contextlib import suppress
from dataclasses import dataclass, field

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step, stamp
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation import watch as vm_watch
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.report import (
    LINE_SECONDS,
    Report,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.verdict import (
    Elapsed,
    End,
    Limits,
    explain,
    may_begin_again,
    verdict,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.watch import (
    RESPONSE,
    SETS,
    Progress,
    Watch,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._life import steps as vm_steps
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import facts as vm_facts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import Silent, VmFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.sets import names_for

_TTY = re.compile("tty[A-Za-z0-9]+")
# Seconds between two lines on a VM with nothing new.
_STILL_SECONDS: t.Final = 120
_FORCED_STOP_SECONDS: t.Final = 30


@dataclass
class Outcome:
    """What became of each VM: the names of those installed, and why others were not."""

    installed: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


@dataclass
class _Clock:
    """When a VM's installation last did something, and when a line was shown, in seconds."""

    begin: float
    moved: float
    quiet: float
    last: Progress = field(default_factory=Progress)
    shown: tuple[str, str] | None = None
    shown_at: float = 0.0

    def look(self, progress: Progress, now: float) -> None:
        last, self.last = self.last, progress
        if (str(last), last.sets, last.written) != (str(progress), progress.sets, progress.written):
            self.moved = now
        if last.console != progress.console:
            self.quiet = now

    def elapsed(self, now: float) -> Elapsed:
        return Elapsed(now - self.begin, now - self.moved, now - self.quiet)

    def is_due(self, before: Progress, now: float) -> bool:
        """Return whether to show a line: for a new stage, or for what has changed in it."""
        if not self.shown or self.last.stage != before.stage:
            return True
        is_new = self.shown != (str(self.last), self.last.known)
        return now - self.shown_at >= (LINE_SECONDS if is_new else _STILL_SECONDS)


@dataclass(frozen=True)
class Installer:
    """`conf` gives the vm.conf(5) to load for a VM; `interval` is between two looks, in seconds.

    `sets_directory` is where this server has the sets, empty if another one serves them, and
    `release` which they are of, empty for the server's own.
    """

    agent: Agent
    conf: t.Callable[[Machine], bytes]
    report: Report
    limits: Limits
    interval: float
    sets_directory: str = ""
    release: str = ""

    def install(self, vms: t.Sequence[Machine]) -> Outcome:
        """Install VMs, or continue what an earlier run began. Raises OperatorError."""
        outcome = Outcome()
        answer = self.agent.look({**Watch(vms, {}).questions(), "log": []})
        facts = vm_facts.parse(answer, vms)
        sizes = vm_watch.log_sizes(answer)
        begins: dict[str, t.Mapping[str, int]] = {}
        # A VM that another run may be watching too is not started once more.
        once_more: set[str] = set()
        # A note without an image is of an installation that has not begun yet; the logs then still
        # show the one before.
        unseen = self._ended_unseen([vm for vm in vms if facts[vm.name].under_way], facts)
        for vm in vms:
            name, now = vm.name, facts[vm.name]
            if now.installed and not now.begun:
                outcome.installed.append(name)
            elif now.running and now.under_way and now.marker:
                self.report.say(f"{name} is being installed already")
                begins[name] = now.marker.offsets
            elif name in unseen:
                self._conclude(vm, now, outcome)
            elif now.running:
                outcome.failures[name] = f"{name} runs, and an installation would overwrite it"
            elif self._boots(vm, now, sizes, outcome):
                begins[name] = sizes
                once_more.add(name)
            elif (again := self._now(vm)).running and again.under_way and again.marker:
                # Another run was faster by a moment.
                del outcome.failures[name]
                begins[name] = again.marker.offsets
        watched = [vm for vm in vms if vm.name in begins]
        watch = Watch(watched, begins, self._sets(watched, answer))
        self._follow(watched, watch, once_more, outcome)
        return outcome

    def _sets(
        self, vms: t.Sequence[Machine], answer: t.Mapping[str, t.Any]
    ) -> dict[str, tuple[str, ...]]:
        """Return the paths on the server of each VM's sets, as far as they are known."""
        release = self.release or answer.get("release", "")
        if not self.sets_directory or not release:
            return {}
        return {
            vm.name: tuple(f"{self.sets_directory}/{name}" for name in names_for(vm, release))
            for vm in vms
        }

    def _ended_unseen(
        self, vms: t.Sequence[Machine], facts: t.Mapping[str, VmFacts]
    ) -> frozenset[str]:
        """Return those whose installation finished while no run was watching."""
        ended = [vm for vm in vms if not facts[vm.name].running]
        if not ended:
            return frozenset()
        markers = {vm.name: facts[vm.name].marker for vm in ended}
        begins = {name: marker.offsets if marker else {} for name, marker in markers.items()}
        watch = Watch(ended, begins).catch_up(self.agent.look)
        return frozenset(name for name, now in watch.progress.items() if now.proven)

    def _boots(
        self, vm: Machine, facts: VmFacts, sizes: t.Mapping[str, int], outcome: Outcome
    ) -> bool:
        steps = vm_steps.boot_installer(vm, facts, self.conf(vm), sizes, self.agent.by)
        return self._carry_out(vm.name, steps, outcome)

    def _carry_out(self, name: str, steps: t.Iterable[Step], outcome: Outcome) -> bool:
        """Carry out steps; a VM for which they fail does not hold up the others."""
        try:
            self.agent.carry_out("install", steps)
        except OperatorError as failure:
            outcome.failures[name] = str(failure)
            return False
        return True

    def _follow(
        self, vms: t.Sequence[Machine], watch: Watch, once_more: set[str], outcome: Outcome
    ) -> None:
        begin = time.monotonic()
        clocks = {vm.name: _Clock(begin, begin, begin) for vm in vms}
        left = {vm.name: vm for vm in vms}
        reported: set[str] = set()
        while left:
            facts: t.Mapping[str, VmFacts] = {}
            with suppress(Silent):
                facts = watch.feed(self.agent.look(watch.questions()))
            now = time.monotonic()
            for name, vm in list(left.items()):
                progress, clock = watch.progress[name], clocks[name]
                self._show(name, progress, clock, now)
                if name in facts:
                    if not facts[name].begun:
                        # Another run watched as well, and was faster.
                        outcome.installed.append(name)
                        del left[name]
                        continue
                    self._record(vm, facts[name], progress)
                    self._say_if_nothing_is_recorded(name, progress, clock.elapsed(now), reported)
                end = verdict(progress, clock.elapsed(now), self.limits)
                if end is None or (name not in facts and end is End.INSTALLED):
                    continue
                if name in once_more and may_begin_again(end, progress):
                    once_more.remove(name)
                    why = progress.console.no_network
                    self.report.say(f"{name} had no network ({why}); it is started once more")
                    if self._begins_again(vm, watch, outcome):
                        clocks[name] = _Clock(now, now, now)
                        continue
                else:
                    self._end(vm, end, watch, clock.elapsed(now), outcome)
                del left[name]
            if left:
                time.sleep(self.interval)

    def _show(self, name: str, progress: Progress, clock: _Clock, now: float) -> None:
        """Show one line per VM, no more often than there is something to say."""
        before = clock.last
        clock.look(progress, now)
        if clock.is_due(before, now):
            clock.shown, clock.shown_at = (str(progress), progress.known), now
            self.report.step(
                name,
                progress.stage,
                now - clock.begin,
                known=progress.known,
                waits_for=progress.waits_for,
                fetched=progress.sets.received,
                unpacked=sum(progress.sets.unpacked.values()),
                total=progress.sets.total,
                image=0 if progress.blank else progress.written,
            )

    def _record(self, vm: Machine, facts: VmFacts, progress: Progress) -> None:
        """Have the console recorded if it is not yet, which is useful but not needed.

        Only when its installer has the response file and does not read the console any more.
        """
        tty = facts.status.tty if facts.status else ""
        if progress.recorded is not None or progress.stage not in (RESPONSE, SETS):
            return
        if progress.state == "running" and _TTY.fullmatch(tty):
            try:
                self.agent.carry_out("install", vm_steps.record_console(vm))
            except OperatorError as failure:
                self.report.say(f"{vm.name}: its console is not recorded: {failure}")

    def _say_if_nothing_is_recorded(
        self, name: str, progress: Progress, elapsed: Elapsed, reported: set[str]
    ) -> None:
        if progress.recorded or name in reported or progress.state is None:
            return
        if elapsed.total > self.limits.question or progress.stage == SETS:
            reported.add(name)
            self.report.say(
                f"{name}: nothing of its console is recorded; only a call from install.site can "
                "show that it was installed"
            )

    def _begins_again(self, vm: Machine, watch: Watch, outcome: Outcome) -> bool:
        stop = [
            *vm_steps.stop(vm.name, seconds=_FORCED_STOP_SECONDS, force=True),
            vm_steps.end_of_forced_stop(vm.name),
        ]
        return self._carry_out(vm.name, stop, outcome) and self._boots(
            vm, self._now(vm), watch.begin_again(vm.name), outcome
        )

    def _end(self, vm: Machine, end: End, watch: Watch, elapsed: Elapsed, outcome: Outcome) -> None:
        """Conclude what was installed; otherwise only note why it was not."""
        name, progress = vm.name, watch.progress[vm.name]
        if end is End.INSTALLED:
            self.report.step(name, "has rebooted", elapsed.total)
            self._conclude(vm, self._now(vm), outcome)
        else:
            outcome.failures[name] = explain(vm, end, progress, elapsed, self.limits)

    def _conclude(self, vm: Machine, facts: VmFacts, outcome: Outcome) -> None:
        steps = vm_steps.conclude_install(vm, facts, stamp())
        name = vm.name
        if not self._carry_out(name, steps, outcome):
            now = self._now(vm)
            if now.begun or now.image != "data":
                return
            # Another run watched as well, and was faster by a moment.
            del outcome.failures[name]
        outcome.installed.append(name)

    def _now(self, vm: Machine) -> VmFacts:
        return vm_facts.parse(self.agent.look(vm_facts.questions([vm])), [vm])[vm.name]
