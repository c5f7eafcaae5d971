# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Carries out the upgrade of one server, from wherever it is: look, decide, do, look again."""

from __future__ import annotations

import re
import time
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError, shown_text
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import (
    UNCHANGED,
    Agent,
    ApplyError,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation import first_answer
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.report import Report
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine, State
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade import steps, words
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.core import plan
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.core.journal import Journal, Phase
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.core.plan import (
    Checks,
    Do,
    Next,
    Request,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.core.seen import (
    ANSWERS,
    UPGRADE_KERNEL,
    Seen,
    parse,
    questions,
)

# How often syspatch(8) may replace itself before it installs the rest.
_PATCH_ROUNDS: t.Final = 3
_CHECK_SECONDS: t.Final = 300
_PATCH: t.Final = re.compile(r"^\d+_[\w-]+$", re.MULTILINE)
Asks = t.Mapping[str, t.Any]


@dataclass(frozen=True)
class Server:
    """How a server is spoken to.

    `agent` may take hours for an answer, `quick` gives up after some seconds, as with a server that
    goes down meanwhile. `look` asks what is asked alone: the answer, and the release; it puts back
    what an earlier run left unfinished. `reconnect` drops the connection.
    """

    name: str
    agent: Agent
    quick: Agent
    look: t.Callable[[Asks], tuple[Asks, str]]
    reconnect: t.Callable[[], None]


@dataclass(frozen=True)
class Limits:
    """In seconds: until a server is back after its reboot, until VMs answer, between two looks."""

    boot: int = 3600
    answer: int = 300
    interval: float = 5.0


@dataclass
class Upgrade:
    """One run for one server.

    `drift` is what was found of that before, `backups` says what is wrong with them when it is
    asked, `release_of_vms` is vmm_release; `release` is what the server ran before.
    """

    server: Server
    machines: t.Sequence[Machine]
    request: Request
    show: t.Callable[[str], None]
    limits: Limits = field(default_factory=Limits)
    drift: tuple[str, ...] = ()
    backups: t.Callable[[], tuple[str, ...]] = tuple
    release_of_vms: str | None = None
    changes: list[str] = field(default_factory=list)
    release: str = ""
    _checks: Checks | None = None

    def foresee(self) -> Next:
        """Show what would be done, in order, and change nothing. Raises OperatorError."""
        seen = self._look()
        upcoming = self._next(seen)
        for line in words.foreseen(upcoming, seen, self.request, self._checks or Checks()):
            self.changes.append(line)
            self._say(f"would {line}")
        for line in words.warnings(seen, self.machines):
            self._say(line)
        return upcoming

    def carry_out(self) -> Next:
        """Work until only the comparison with the fleet is left, or until there is a wait.

        Raises OperatorError, after which another run continues.
        """
        while True:
            seen = self._look()
            upcoming = self._next(seen)
            if upcoming.do == Do.NOTHING and seen.journal:
                # What was announced is no longer needed.
                self._carry_out(steps.finish(seen))
            if upcoming.do in (Do.NOTHING, Do.AWAIT, Do.FINISH):
                self._say(words.pause(upcoming.do, seen, self.request))
                return upcoming
            if upcoming.do == Do.ANNOUNCE:
                self._announce(seen)
                return upcoming
            self._do(upcoming, seen)

    def finish(self) -> Seen:
        """End an upgrade by removing the journal. Return the server as it was before that."""
        seen = self._look()
        self._carry_out(steps.finish(seen))
        for line in words.summary(seen, self.release_of_vms):
            self._say(line)
        return seen

    def _do(self, upcoming: Next, seen: Seen) -> None:
        deeds: t.Mapping[Do, t.Callable[[Seen], None]] = {
            Do.PREPARE: lambda now: self._prepare(now, resumes=upcoming.resumes),
            Do.STOP: self._stop,
            Do.REBOOT: self._reboot,
            Do.RETURN: self._return,
        }
        deeds[upcoming.do](seen)

    def _next(self, seen: Seen) -> Next:
        begun = seen.journal is not None and seen.journal.phase != Phase.ANNOUNCED
        self.release = seen.journal.release if seen.journal else seen.release
        if not begun and self._checks is None:
            self._checks = self._check(seen, plan.goal(self.request, seen))
        upcoming = plan.next_step(seen, self.request, self._checks or Checks())
        if upcoming.do == Do.REFUSE:
            raise OperatorError("\n".join(upcoming.why))
        return upcoming

    def _look(self) -> Seen:
        answer, release = self.server.look(questions(self.machines))
        return parse(answer, self.machines, release)

    def _check(self, seen: Seen, to: str | None) -> Checks:
        """Find out what can only be asked over the network."""
        argv = [TOOLS["syspatch"], "-c"]
        if to:
            url = f"{seen.mirror.rstrip('/')}/{to}/{seen.machine}/SHA256.sig"
            argv = [TOOLS["ftp"], "-V", "-M", "-w", "30", "-o", "/dev/null", url]
        run = [{"name": "", "argv": argv, "timeout": _CHECK_SECONDS}]
        result = self.server.agent.look({"run": run})["run"][""]
        said = shown_text(f"{result['stderr']}{result['stdout']}").strip()
        why = "it did not end in time" if result["rc"] == 124 else said or "it does not say why"
        failed = f"{' '.join(argv)}: {why}" if result["rc"] else ""
        missing = () if to or failed else tuple(_PATCH.findall(result["stdout"]))
        return Checks(missing, failed, self.drift, self.backups())

    def _announce(self, seen: Seen) -> None:
        due = self.request.now + 3600 * (self.request.announce_hours or 0)
        to = plan.goal(self.request, seen)
        journal = Journal(Phase.ANNOUNCED, self.server.agent.by, to, due, seen.release)
        owners: dict[str, list[str]] = {}
        for vm in self.machines:
            if vm.name in seen.defined:
                owners.setdefault(vm.owner, []).append(vm.name)
        # Before it is noted: an owner who gets two mails is better off than one who gets none.
        for owner, vms in sorted(owners.items()):
            if reason := words.no_mail_to(owner):
                self._say(f"not notified: {reason}")
                continue
            try:
                self._carry_out(steps.mail(owner, words.mail(self.server.name, due, vms)))
            except ApplyError as error:
                self._say(f"not notified: {str(error).removesuffix(UNCHANGED)}")
        self._carry_out(steps.announce(seen, journal, words.notice(due)))
        self._say(f"announced for {words.time_of(due)}; run again then, and it begins")

    def _prepare(self, seen: Seen, *, resumes: bool) -> None:
        for line in words.warnings(seen, self.machines):
            self._say(line)
        if resumes and seen.under_way.ran:
            # An earlier run stopped them, and its boot has to wait.
            self._bring_back(seen.under_way)
            seen = self._look()
        before = seen.journal if resumes else None
        journal = before or Journal(
            Phase.PREPARING,
            "",
            plan.goal(self.request, seen),
            release=seen.release,
            kernel=seen.kernel,
            patches=seen.patches,
        )
        journal = replace(journal, phase=Phase.PREPARING, by=self.server.agent.by)
        self._carry_out(steps.begin(seen, journal))
        linked = seen.linked
        try:
            if journal.to:
                self._carry_out(steps.fetch_release(journal.to))
            else:
                self._patch(plan.doubtful(seen, journal))
        except ApplyError as error:
            reason = str(error).removesuffix(UNCHANGED)
            raise OperatorError(f"{reason}\nNo VM was stopped; run again to continue") from error
        seen = self._look()
        if journal.to and not seen.armed:
            raise OperatorError(
                f"sysupgrade(8) ended, and there is no {ANSWERS} with a {UPGRADE_KERNEL} that "
                "boots: see what it says on the server (sysupgrade -n), and run again"
            )
        prepared = replace(journal, phase=Phase.PREPARED, linked=seen.linked != linked)
        self._carry_out(steps.note(seen, prepared))

    def _patch(self, doubtful: str) -> None:
        if doubtful:
            # Without the mirror, it could not be installed again.
            self._missing()
            try:
                self._carry_out(steps.revert(doubtful))
            except ApplyError as error:
                if not error.failed:
                    raise
                reason = str(error).removesuffix(UNCHANGED)
                raise OperatorError(words.not_reverted(doubtful, reason)) from error
        for _round in range(_PATCH_ROUNDS):
            self._carry_out(steps.patch())
            missing = self._missing()
            if not missing:
                return
        raise OperatorError(
            f"syspatch(8) ended {_PATCH_ROUNDS} times, and these are still not installed: "
            f"{', '.join(missing)}; see what it says on the server, and run again"
        )

    def _missing(self) -> tuple[str, ...]:
        checks = self._check(self._look(), None)
        if checks.unreachable:
            raise OperatorError(f"{checks.unreachable}; run again to continue")
        return checks.missing

    def _stop(self, seen: Seen) -> None:
        before, names = seen.under_way, seen.running
        asked = [vm for vm in self.machines if vm.name in names]
        runs = first_answer.questions(asked)
        answers = self.server.agent.look({"run": runs})["run"] if runs else {}
        ran = {name: answers.get(name, {"rc": 1})["rc"] == 0 for name in names}
        # What an earlier run has already stopped ran as well.
        ran = {**ran, **before.ran}
        journal = replace(before, phase=Phase.STOPPING, by=self.server.agent.by, ran=ran)
        self._carry_out(steps.hold(seen, journal))
        try:
            self._carry_out(steps.stop(names))
            self._carry_out(steps.note(self._look(), replace(journal, phase=Phase.STOPPED)))
        except ApplyError as error:
            raise self._resumed(journal, error) from error

    def _reboot(self, seen: Seen) -> None:
        journal = seen.under_way
        try:
            self._carry_out(steps.reboot())
        except ApplyError as error:
            # If only the answer was lost, the server is going down.
            if error.failed:
                raise self._resumed(journal, error) from error
        self._return(seen)

    def _resumed(self, journal: Journal, error: OperatorError) -> OperatorError:
        """Return the error of a step before the boot, once the stopped VMs run again."""
        names = ", ".join(sorted(journal.ran))
        reason = str(error).removesuffix(UNCHANGED)
        try:
            again = self._bring_back(journal)
        except OperatorError as other:
            return OperatorError(
                f"{reason}\nThe VMs that were stopped could not be started again: {other}\n"
                f"These ran before: {names}; run again to continue"
            )
        started = f"These were started again by this run: {', '.join(again)}. " if again else ""
        return OperatorError(
            f"{reason}\nThe server was not restarted. {started}Run again to continue"
        )

    def _bring_back(self, journal: Journal) -> list[str]:
        """Start the VMs again that were stopped for a boot that does not come now."""
        seen = self._look()
        down = plan.down(seen)
        again = [name for name in self._startable(journal, seen) if name in down]
        self._start(again)
        self._carry_out(steps.resume(seen, replace(journal, phase=Phase.PREPARED, ran={})))
        return again

    def _return(self, seen: Seen) -> None:
        self._wait_for_boot(seen.under_way)
        seen = self._look()
        journal = seen.under_way
        names = self._startable(journal, seen)
        try:
            self._start([name for name in names if name not in seen.running])
            answered = [vm for vm in self.machines if vm.name in names and journal.ran[vm.name]]
            report = Report(self.show)
            first_answer.wait_for_ssh(self.server.agent, answered, self.limits.answer, report, {})
        except OperatorError as error:
            raise OperatorError(
                f"{error}\nThe server itself is back, with OpenBSD {seen.release}. Run again to "
                "continue with its VMs"
            ) from error
        if plan.came_back_old(seen):
            self._carry_out(steps.finish(seen))
            raise OperatorError(words.old_release(seen))
        started = replace(journal, phase=Phase.STARTED, by=self.server.agent.by)
        self._carry_out(steps.started(seen, started))

    def _startable(self, journal: Journal, seen: Seen) -> list[str]:
        """Return those that ran, except what an operator has suspended or removed meanwhile."""
        held = {vm.name for vm in self.machines if vm.state != State.PRESENT}
        return sorted((journal.ran.keys() & seen.defined) - held)

    def _start(self, names: t.Iterable[str]) -> None:
        """Start VMs, each whether or not others start. Raises OperatorError if one does not."""
        reasons = []
        for name in names:
            try:
                self._carry_out(steps.start(name))
            except ApplyError as error:
                reasons.append(str(error).removesuffix(UNCHANGED))
        if reasons:
            raise OperatorError("\n".join(reasons))

    def _wait_for_boot(self, journal: Journal) -> None:
        """Wait until the server is back and has finished its boot."""
        begin, lacks, last = time.monotonic(), "it does not answer", ""
        while True:
            passed = time.monotonic() - begin
            try:
                self.server.reconnect()
                answer = self.server.quick.probe({"": t.cast(t.Any, questions(self.machines))})
                lacks = plan.lacking(parse(answer[""], self.machines, answer.release))
            except OperatorError as error:
                lacks = str(error).partition("\n")[0]
            if not lacks:
                return
            if passed > self.limits.boot:
                raise OperatorError(words.not_back(journal, lacks, int(passed)))
            if lacks != last:
                self._say(f"waits for its boot: {lacks} [{passed:.0f} s]")
                last = lacks
            time.sleep(self.limits.interval)

    def _carry_out(self, made: t.Iterable[Step]) -> None:
        """Carry out one transaction, and show its changes when it is done."""
        todo = tuple(made)
        self.server.agent.carry_out(steps.TITLE, todo)
        for step in todo:
            if step.change:
                self.changes.append(str(step.change))
                self._say(str(step.change))

    def _say(self, text: str) -> None:
        self.show(f"{self.server.name}  {steps.TITLE}  {text}")
