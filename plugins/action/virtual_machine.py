# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.virtual_machine: one step of the life of a server's VMs."""

from __future__ import annotations

import time
import typing as t
from dataclasses import asdict, replace

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import (
    Action,
    refuse_problems,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import untrusted
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.templates import Templates
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import capacity, life_steps
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import facts as vm_facts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import steps as vm_steps
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import (
    BIOS,
    Image,
    Names,
    VmFacts,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.installer import Installer
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.life import (
    VERBS,
    LifePlan,
    Request,
    plan_life,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.marker import alive

Vm = dict[str, t.Any]


# What of a plan each step carries out.
_PARTS: t.Final = {
    "before": ("stop", "restore", "clear", "claim"),
    "after": ("stop", "archive", "purge"),
}
# Seconds for a VM that was not just installed, and may have closed its port 22.
_OLD_SECONDS: t.Final = 120


class ActionModule(Action):
    """Carries one step out for all VMs that it is given, at once."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "vms": {"type": "list", "elements": "dict", "required": True},
        "step": {
            "type": "str",
            "required": True,
            "choices": [
                "look",
                "check",
                "before",
                "install",
                "after",
                "start",
                "finish",
                "rescue",
            ],
        },
        "verb": {"type": "str", "default": "apply", "choices": [*VERBS]},
        "names": {"type": "list", "elements": "str"},
        "install": {"type": "bool", "default": True},
        "plan": {"type": "dict", "default": {}},
        "new": {"type": "list", "elements": "str", "default": []},
        "needs": {"type": "list", "elements": "path", "default": []},
        "limited": {"type": "bool", "default": False},
        "template": {"type": "str", "default": "install-vm.conf.j2"},
        "timeout": {"type": "int", "default": 1800},
        "interval": {"type": "float", "default": 2.0},
        "wait_for_ssh": {"type": "int", "default": 300},
    }

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        refuse_problems(task_vars)
        vms: list[Vm] = args["vms"]
        if not vms:
            return {"changed": False, "changes": [], "found": {}, "plan": asdict(LifePlan())}
        agent = Agent(self.execute)
        plan = LifePlan(**args["plan"])
        if args["step"] == "check":
            return _checked(agent, vms, args)
        if args["step"] in _PARTS and not any(getattr(plan, deed) for deed in _PARTS[args["step"]]):
            return {"changed": False, "changes": []}
        answer = agent.look(vm_facts.questions(vms))
        facts = vm_facts.parse(answer, vms)
        if args["step"] == "look":
            return _looked(vms, facts, vm_facts.pending(answer), args, agent.by)
        # A server that is set up for the first time has no vmd yet when images are claimed.
        if (args["step"] != "before" or plan.stop) and answer["run"]["check"]["rc"] != 0:
            raise OperatorError("vmd does not run on this server; look into /var/log/daemon there")
        if not answer["paths"].get(BIOS):
            self._without_firmware(args["step"], vms, facts)
        if args["step"] == "install":
            return self._install(agent, vms, args, task_vars)
        return self._change(agent, vms, facts, args, plan)

    def _without_firmware(
        self, step: str, vms: t.Sequence[Vm], facts: t.Mapping[str, VmFacts]
    ) -> None:
        """Stops what would need /etc/firmware/vmm-bios, which only a kernel of its own replaces."""
        advice = f"{BIOS} is missing on this server; run 'fw_update vmm' there"
        resting = [vm["name"] for vm in vms if not facts[vm["name"]].running]
        # A real run has it by now, or was told before.
        if step == "start" and resting and not self.check_mode:
            raise OperatorError(f"{', '.join(resting)}: cannot start from its disk, since {advice}")
        if step == "install":
            self._display.warning(
                f"VMs that are installed now cannot start from their disks: {advice}"
            )

    def _change(
        self,
        agent: Agent,
        vms: t.Sequence[Vm],
        facts: t.Mapping[str, VmFacts],
        args: t.Mapping[str, t.Any],
        plan: LifePlan,
    ) -> dict[str, t.Any]:
        machines = [Machine.of(vm) for vm in vms]
        steps: list[Step] = []
        if args["step"] == "before":
            steps += life_steps.before(plan, machines, facts, agent.by)
        elif args["step"] == "after":
            steps += life_steps.after(_now(plan, machines, facts), machines, facts)
        else:
            for vm in vms:
                steps.extend(_wanted(args["step"], vm, facts[vm["name"]]))
        changes = [str(step.change) for step in steps if step.change]
        result: dict[str, t.Any] = {"changed": bool(changes), "changes": changes}
        if self.check_mode:
            return result
        if steps:
            agent.carry_out(args["step"], steps)
        if args["step"] == "start":
            new = [vm for vm in vms if facts[vm["name"]].installed]
            old = [vm for vm in vms if steps and vm not in new]
            self._wait_for_ssh(agent, new, args["wait_for_ssh"])
            if new:
                result["host_keys"] = _host_keys(agent, new)
            try:
                self._wait_for_ssh(agent, old, min(args["wait_for_ssh"], _OLD_SECONDS))
            except OperatorError as failure:
                # What its owner made of it since is the owner's own affair.
                result["warnings"] = [str(failure)]
        return result

    def _install(
        self,
        agent: Agent,
        vms: t.Sequence[Vm],
        args: t.Mapping[str, t.Any],
        task_vars: dict[str, t.Any],
    ) -> dict[str, t.Any]:
        changes = [f"install {vm['name']}" for vm in vms]
        if self.check_mode:
            return {"changed": True, "changes": changes, "installed": [], "failures": {}}
        templates = Templates(self, task_vars)

        def conf(vm: t.Mapping[str, t.Any]) -> bytes:
            variables = {"item": vm, "install_image": Names.of(vm).installing}
            return templates.render(args["template"], variables).encode()

        installer = Installer(agent, conf, self._display.display, args["timeout"], args["interval"])
        outcome = installer.install(vms)
        return {
            "changed": True,
            "changes": changes,
            "installed": outcome.installed,
            "failures": outcome.failures,
        }

    def _wait_for_ssh(self, agent: Agent, vms: t.Sequence[Vm], seconds: int) -> None:
        if not seconds:
            return
        argv = ["/usr/bin/nc", "-z", "-w", "2"]
        runs = [{"name": vm["name"], "argv": [*argv, vm["ipv4"], "22"]} for vm in vms]
        begin = time.monotonic()
        while runs:
            answer = agent.look({"run": runs})
            up = [name for name, result in answer["run"].items() if result["rc"] == 0]
            passed = int(time.monotonic() - begin)
            for name in up:
                self._display.display(f"  {name} answers on port 22 [{passed} s]")
            runs = [one for one in runs if one["name"] not in up]
            if runs and passed > seconds:
                names = ", ".join(str(one["name"]) for one in runs)
                raise OperatorError(f"{names}: no answer on port 22 after {passed} s")
            if runs:
                time.sleep(1)


def _checked(agent: Agent, vms: t.Sequence[Vm], args: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    new = args["new"]
    if not new:
        return {"changed": False}
    answer = agent.look(capacity.questions(vms, args["needs"]))
    verdict = capacity.judge(answer, vms, new, args["needs"], limited=args["limited"])
    if verdict.obstacles:
        raise OperatorError(
            "\n".join((f"{', '.join(new)}: cannot be installed", *verdict.obstacles))
        )
    return {"changed": False} | ({"warnings": [*verdict.warnings]} if verdict.warnings else {})


def _now(plan: LifePlan, machines: t.Sequence[Machine], facts: t.Mapping[str, VmFacts]) -> LifePlan:
    """The plan with those that their owners started while the definition still named them."""
    names = (*plan.stop, *plan.archive)
    running = (name for name in (machine.name for machine in machines) if facts[name].running)
    return replace(plan, stop=tuple(name for name in running if name in names))


def _host_keys(agent: Agent, vms: t.Sequence[Vm]) -> dict[str, list[str]]:
    """The public host keys of VMs, over the server's own switch and its trusted connection."""
    argv = [TOOLS["ssh-keyscan"], "-T", "10"]
    runs = [{"name": vm["name"], "argv": [*argv, vm["ipv4"]], "timeout": 60} for vm in vms]
    answer = agent.look({"run": runs})
    found = {}
    for vm in vms:
        lines = answer["run"][vm["name"]]["stdout"].splitlines()
        words = (line.split() for line in lines if not line.startswith("#"))
        found[vm["name"]] = [f"{line[1]} {line[2]}" for line in words if len(line) == 3]
    return found


def _looked(
    vms: t.Sequence[Vm],
    facts: t.Mapping[str, VmFacts],
    pending: t.Collection[str],
    args: t.Mapping[str, t.Any],
    own: str,
) -> dict[str, t.Any]:
    names = None if args["names"] is None else frozenset(map(str, args["names"]))
    request = Request(args["verb"], names, args["install"], lambda by: alive(by, own))
    plan = plan_life([Machine.of(vm) for vm in vms], facts, request)
    found = {}
    for vm in vms:
        one = facts[vm["name"]]
        found[vm["name"]] = {
            "image": str(one.image),
            "archived": one.archived != Image.ABSENT,
            "installing": request.binds(one),
            "installed": one.installed,
            "state": one.status.state if one.status else "unknown",
            "running": one.running,
            "pending": vm["name"] in pending,
            "pid": one.status.pid if one.status else None,
            "disk_bytes": one.disk_bytes,
        }
    told: dict[str, t.Any] = untrusted({"found": found, "plan": asdict(plan)})
    return {"changed": False, **told}


def _wanted(step: str, vm: Vm, facts: VmFacts) -> t.Iterable[Step]:
    name = vm["name"]
    if step == "start":
        return () if facts.running else vm_steps.start(name)
    if step == "finish":
        return vm_steps.conclude_start(vm, facts)
    if facts.running:
        raise OperatorError(f"{name} runs; stop it first")
    return vm_steps.start(name, kernel="/bsd.rd")
