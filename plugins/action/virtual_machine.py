# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.virtual_machine: one step of the life of a server's VMs."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils import _vm_facts, _vm_steps, _vm_watch
from ansible_collections.puffy.vmm.plugins.plugin_utils._action import (
    Action,
    Failure,
    refuse_problems,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._steps import Step
from ansible_collections.puffy.vmm.plugins.plugin_utils._templates import Templates
from ansible_collections.puffy.vmm.plugins.plugin_utils._vm_facts import Names, VmFacts

Vm = dict[str, t.Any]

# vmd(8) starts what it has loaded a moment later.
_START_SECONDS: t.Final = 30


class ActionModule(Action):
    """Carries one step out for all VMs that it is given, at once."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "vms": {"type": "list", "elements": "dict", "required": True},
        "step": {
            "type": "str",
            "required": True,
            "choices": [
                "look",
                "install",
                "start",
                "stop",
                "rescue",
                "archive",
                "restore",
                "purge",
            ],
        },
        "template": {"type": "str", "default": "install-vm.conf.j2"},
        "timeout": {"type": "int", "default": 1800},
        "interval": {"type": "float", "default": 2.0},
        "wait_for_ssh": {"type": "int", "default": 300},
    }

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        refuse_problems(task_vars)
        vms: list[Vm] = args["vms"]
        if not vms:
            return {"changed": False, "changes": [], "found": {}}
        agent = Agent(self.execute)
        answer = agent.probe(_vm_facts.questions(vms))
        facts = _vm_facts.parse(answer, vms)
        if args["step"] == "look":
            return _looked(vms, facts)
        if answer["run"]["check"]["rc"] != 0:
            raise Failure("vmd does not run on this server; look into /var/log/daemon there")
        if args["step"] == "install":
            return self._install(agent, vms, facts, args, task_vars)
        return self._change(agent, vms, facts, args)

    def _change(
        self,
        agent: Agent,
        vms: t.Sequence[Vm],
        facts: t.Mapping[str, VmFacts],
        args: t.Mapping[str, t.Any],
    ) -> dict[str, t.Any]:
        steps: list[Step] = []
        for vm in vms:
            steps.extend(_wanted(args["step"], vm, facts[vm["name"]]))
        changes = [step.change for step in steps if step.change]
        if steps and not self.check_mode:
            agent.apply(steps)
            if args["step"] == "start" and args["wait_for_ssh"]:
                self._wait_for_ssh(agent, vms, args["wait_for_ssh"])
        return {"changed": bool(changes), "changes": changes}

    def _install(
        self,
        agent: Agent,
        vms: t.Sequence[Vm],
        facts: t.Mapping[str, VmFacts],
        args: t.Mapping[str, t.Any],
        task_vars: dict[str, t.Any],
    ) -> dict[str, t.Any]:
        templates = Templates(self, task_vars)
        if self.check_mode:
            return {"changed": True, "changes": [f"install {vm['name']}" for vm in vms]}
        offsets = _log_sizes(agent)
        steps: list[Step] = []
        for vm in vms:
            # A run that was cut off left its installer running: it is watched on.
            if facts[vm["name"]].begun and facts[vm["name"]].running:
                offsets = {}
                continue
            if facts[vm["name"]].running:
                raise Failure(f"{vm['name']} runs, and an installation would overwrite it")
            variables = {"item": vm, "install_image": Names.of(vm).installing}
            text = templates.render(args["template"], variables).encode()
            steps.extend(_vm_steps.begin_install(vm, facts[vm["name"]], text))
        if steps:
            agent.apply(steps)
        self._watch(agent, vms, offsets, args)
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        steps = []
        for vm in vms:
            steps.extend(_vm_steps.conclude_install(vm, facts[vm["name"]], stamp))
        agent.apply(steps)
        return {"changed": True, "changes": [f"install {vm['name']}" for vm in vms]}

    def _watch(
        self,
        agent: Agent,
        vms: t.Sequence[Vm],
        offsets: t.Mapping[str, int],
        args: t.Mapping[str, t.Any],
    ) -> None:
        begin = time.monotonic()
        shown: dict[str, str] = {}
        seen: set[str] = set()
        while True:
            answer = agent.probe(_vm_watch.questions(offsets))
            passed = int(time.monotonic() - begin)
            progress = {vm["name"]: _vm_watch.parse(answer, vm) for vm in vms}
            for name, now in progress.items():
                if shown.get(name) != str(now):
                    shown[name] = str(now)
                    self._display.display(f"  {name} {now} [{passed} s]")
            seen.update(name for name, now in progress.items() if now.running)
            ended = [
                name
                for name, now in progress.items()
                if not now.running
                and (now.stage == _vm_watch.REBOOTED or name in seen or passed > _START_SECONDS)
            ]
            for name in ended:
                if progress[name].stage != _vm_watch.REBOOTED:
                    raise Failure(
                        f"{name}: it was stopped while it {progress[name]}; its new image is kept "
                        "aside; run again to install it anew"
                    )
            if len(ended) == len(progress):
                return
            if passed > args["timeout"]:
                late = ", ".join(f"{name} {now}" for name, now in progress.items())
                raise Failure(
                    f"not installed after {passed} s: {late}; the installer waits on the console "
                    "(vmctl console as root); run again to go on watching"
                )
            time.sleep(args["interval"])

    def _wait_for_ssh(self, agent: Agent, vms: t.Sequence[Vm], seconds: int) -> None:
        argv = ["/usr/bin/nc", "-z", "-w", "2"]
        runs = [{"name": vm["name"], "argv": [*argv, vm["ipv4"], "22"]} for vm in vms]
        begin = time.monotonic()
        while runs:
            answer = agent.probe({"verb": "probe", "run": runs})
            up = [name for name, result in answer["run"].items() if result["rc"] == 0]
            passed = int(time.monotonic() - begin)
            for name in up:
                self._display.display(f"  {name} answers on port 22 [{passed} s]")
            runs = [one for one in runs if one["name"] not in up]
            if runs and passed > seconds:
                names = ", ".join(str(one["name"]) for one in runs)
                raise Failure(f"{names}: no answer on port 22 after {passed} s")
            if runs:
                time.sleep(1)


def _looked(vms: t.Sequence[Vm], facts: t.Mapping[str, VmFacts]) -> dict[str, t.Any]:
    found = {}
    for vm in vms:
        one = facts[vm["name"]]
        found[vm["name"]] = {
            "image": one.image,
            "archived": one.archived != "absent",
            "installing": one.begun,
            "state": one.status.state if one.status else "unknown",
            "running": one.running,
            "pid": one.status.pid if one.status else None,
            "disk_bytes": one.disk_bytes,
        }
    return {"changed": False, "found": found}


def _wanted(step: str, vm: Vm, facts: VmFacts) -> t.Iterable[Step]:
    name = vm["name"]
    if step == "start":
        return () if facts.running else _vm_steps.start(vm)
    if step == "stop":
        return _vm_steps.stop(vm) if facts.running else ()
    if step == "rescue":
        if facts.running:
            raise Failure(f"{name} runs; stop it first")
        return _vm_steps.start(vm, kernel="/bsd.rd")
    if facts.running:
        raise Failure(f"{name} runs; stop it first")
    if step == "archive":
        return () if facts.image == "absent" else _vm_steps.archive(vm)
    if step == "restore":
        return _vm_steps.restore(vm) if facts.archived != "absent" else ()
    return _vm_steps.purge(vm)


def _log_sizes(agent: Agent) -> dict[str, int]:
    logs = (_vm_watch.DAEMON_LOG, _vm_watch.ACCESS_LOG)
    asks = [{"path": path, "hash": 0} for path in logs]
    paths = agent.probe({"verb": "probe", "paths": asks})["paths"]
    return {path: paths[path]["size"] if paths[path] else 0 for path in logs}
