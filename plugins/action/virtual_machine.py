# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.virtual_machine: what takes long in the life of a server's VMs."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import stat
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import fetch_firmware
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import (
    Action,
    refuse_problems,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain, untrusted
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.templates import Templates
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.first_answer import (
    wait_for_ssh,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.installer import Installer
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.report import Report
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.verdict import Limits
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.watch import LOGS, log_sizes
from ansible_collections.puffy.vmm.plugins.plugin_utils._life import steps as vm_steps
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import facts as vm_facts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import host_keys
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import BIOS, VmFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.sets import directory_of

# Seconds for a VM that was not just installed, and may have closed its port 22.
_OLD_SECONDS: t.Final = 120


class ActionModule(Action):
    """Carries out a step for several VMs at once."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "vms": {"type": "list", "elements": "dict", "required": True},
        "step": {
            "type": "str",
            "required": True,
            "choices": ["install", "start", "finish", "rescue"],
        },
        "template": {"type": "str", "default": "install-vm.conf.j2"},
        "timeout": {"type": "int", "default": 1800},
        "total_timeout": {"type": "int", "default": 7200},
        "interval": {"type": "float", "default": 2.0},
        "wait_for_ssh": {"type": "int", "default": 300},
    }

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        refuse_problems(task_vars)
        vms = Machine.all_of(plain(args["vms"]))
        if not vms:
            return {"changed": False, "changes": []}
        self._report = Report(self._display.display)
        try:
            return self._carry_out(vms, args, task_vars)
        except OperatorError as error:
            error.fields["progress"] = self._report.steps
            raise

    def _carry_out(
        self, vms: t.Sequence[Machine], args: t.Mapping[str, t.Any], task_vars: dict[str, t.Any]
    ) -> dict[str, t.Any]:
        agent = Agent(self.execute, self.run_process)
        asked = vm_facts.questions(vms)
        asked["paths"] += map(stat, LOGS)
        answer = agent.look(asked)
        facts = vm_facts.parse(answer, vms)
        if answer["run"]["check"]["rc"] != 0:
            raise OperatorError("vmd does not run on this server; look into /var/log/daemon there")
        if not answer["paths"].get(BIOS):
            self._without_firmware(args["step"], vms, facts)
        if args["step"] == "install":
            return self._install(agent, vms, args, task_vars)
        return self._change(agent, vms, facts, log_sizes(answer), args)

    def _without_firmware(
        self, step: str, vms: t.Sequence[Machine], facts: t.Mapping[str, VmFacts]
    ) -> None:
        """Stop what needs /etc/firmware/vmm-bios, unless the VM has a kernel of its own."""
        advice = f"{BIOS} is missing on this server; {fetch_firmware('vmm')}"
        stopped = [vm.name for vm in vms if not facts[vm.name].running]
        # A real run has installed it by now, or has reported it before.
        if step == "start" and stopped and not self.check_mode:
            raise OperatorError(f"{', '.join(stopped)}: cannot start from its disk, since {advice}")
        if step == "install":
            self._display.warning(
                f"VMs that are installed now cannot start from their disks: {advice}"
            )

    def _change(
        self,
        agent: Agent,
        vms: t.Sequence[Machine],
        facts: t.Mapping[str, VmFacts],
        sizes: t.Mapping[str, int],
        args: t.Mapping[str, t.Any],
    ) -> dict[str, t.Any]:
        steps = [step for vm in vms for step in _steps(args["step"], vm, facts[vm.name])]
        changes = [str(step.change) for step in steps if step.change]
        result: dict[str, t.Any] = {"changed": bool(changes), "changes": changes}
        if self.check_mode:
            return result
        if steps:
            agent.carry_out(args["step"], steps)
        if args["step"] == "start":
            new = [vm for vm in vms if facts[vm.name].installed]
            # Nobody knows what answers in a guest that somebody else installed.
            old = [vm for vm in vms if steps and vm.autoinstalled and vm not in new]
            begins = {vm.name: sizes for vm in vms if not facts[vm.name].running}
            wait_for_ssh(agent, new, args["wait_for_ssh"], self._report, begins)
            if new:
                asks = {"run": host_keys.vm_questions(new), "paths": host_keys.server_questions()}
                answer = agent.look(asks)
                result["host_keys"] = host_keys.of_vms(answer, new)
                result["server_keys"] = host_keys.of_server(answer).lines
            try:
                seconds = min(args["wait_for_ssh"], _OLD_SECONDS)
                wait_for_ssh(agent, old, seconds, self._report, begins)
            except OperatorError as failure:
                # What its owner has changed since is the owner's own affair.
                result["warnings"] = [str(failure)]
            result["progress"] = self._report.steps
        return result

    def _install(
        self,
        agent: Agent,
        vms: t.Sequence[Machine],
        args: t.Mapping[str, t.Any],
        task_vars: dict[str, t.Any],
    ) -> dict[str, t.Any]:
        changes = [f"install {vm.name}" for vm in vms]
        if self.check_mode:
            return {"changed": True, "changes": changes, "installed": [], "failures": {}}
        templates = Templates(self, task_vars)

        def conf(vm: Machine) -> bytes:
            variables = {"item": untrusted(vm.variables), "install_image": vm.installing}
            return templates.render(args["template"], variables).encode()

        limits = Limits(args["timeout"], args["total_timeout"])
        host = task_vars.get("vmm_host", {})
        installer = Installer(
            agent,
            conf,
            self._report,
            limits,
            args["interval"],
            sets_directory=directory_of(host) if host else "",
            release=host.get("release") or "",
        )
        outcome = installer.install(vms)
        return {
            "changed": True,
            "changes": changes,
            "installed": outcome.installed,
            "failures": outcome.failures,
            "progress": self._report.steps,
        }


def _steps(step: str, vm: Machine, facts: VmFacts) -> t.Iterable[Step]:
    name = vm.name
    if step == "start":
        return () if facts.running else vm_steps.start(vm, record=facts.installed)
    if step == "finish":
        return vm_steps.conclude_start(vm, facts)
    if facts.running:
        raise OperatorError(f"{name} runs; stop it first")
    return vm_steps.start(vm, kernel="/bsd.rd")
