# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.configure: a server's roles and VMs in one look and one change."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from functools import cached_property

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import (
    UNCHANGED,
    Agent,
    ApplyError,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Change
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.transaction import Transaction
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import (
    Action,
    refuse_unknown_vms,
    refuse_unusable,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import untrusted
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.roles import read_all
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.one_time import (
    for_review,
    one_time,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._life import life_steps
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.life import VERBS, LifePlan, Request
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.look import Look, Share
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.obstacles import ARRIVE, LEAVE
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import capacity, sets, survey
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import facts as vm_facts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.marker import alive
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.converge import Outcome, look
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.review import write
from ansible_collections.puffy.vmm.plugins.plugin_utils._tasks.role_documents import RoleDocuments
from ansible_collections.puffy.vmm.plugins.plugin_utils._tasks.server import converger, machines_of
from ansible_collections.puffy.vmm.plugins.plugin_utils._tasks.server_files import ServerFiles

_VMS: t.Final = "VMs"
_SURVEY: t.Final = "survey"
# A server with another release is looked at twice.
_EXPECTED_RELEASE: t.Final = "7.8"

# Ansible imports this before it makes a process for each server, which has them from here.
read_all()


class ActionModule(Action):
    """Brings a server to what roles and VM files want of it."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "roles": {"type": "list", "elements": "str", "required": True},
        "verb": {"type": "str", "default": "apply", "choices": [*VERBS, LEAVE, ARRIVE]},
        "vms": {"type": "list", "elements": "str"},
        "install": {"type": "bool", "default": True},
        "others": {"type": "bool", "default": True},
        "mirrors": {"type": "bool", "default": False},
        "life": {"type": "bool", "default": True},
        "credentials": {"type": "bool", "default": True},
        "compare": {"type": "bool", "default": False},
        "survey": {"type": "bool", "default": False},
        "installing": {"type": "list", "elements": "str", "default": []},
        "render_to": {"type": "path"},
    }

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        refuse_unusable(task_vars)
        # Without a role nothing is written that has definitions of other VMs in it.
        if args["roles"] and not args["compare"]:
            refuse_unknown_vms(task_vars)
        self._args, self._vars = args, task_vars
        self._server = str(task_vars["inventory_hostname"])
        self._roles = RoleDocuments(self, args["roles"], task_vars, keep_going=args["compare"])
        self._machines = machines_of(task_vars)
        if args["render_to"]:
            return self._render(self._machines)
        self._agent = Agent(self.execute, self.run_process)
        self._at_once = int(task_vars["vmm_host"]["install_limit"])
        return self._converge_without_failed()

    def _render(self, machines: t.Sequence[Machine]) -> dict[str, t.Any]:
        installing = tuple(self._args["installing"])
        share = Share.of(machines, installing)
        paths = for_review([machine.name for machine in machines], installing)
        documents = self._roles.documents(share, paths)
        return write(documents, self._args["render_to"], self._server)

    def _converge_without_failed(self) -> dict[str, t.Any]:
        """Converge; what fails for one VM, such as its response file, does not stop others."""
        failed: dict[str, str] = {}
        changed = False
        while True:
            try:
                result = self._converge(failed)
                return {**result, "changed": result["changed"] or changed}
            except OperatorError as error:
                names = error.vms - failed.keys()
                asked = self._args["vms"]
                if self._args["compare"] or not names or (asked and names.issuperset(asked)):
                    raise
                reason = str(error).removesuffix(UNCHANGED)
                failed |= {name: reason.removeprefix(f"{name}: ") for name in names}
                changed = changed or bool(isinstance(error, ApplyError) and error.done)

    def _converge(self, failed: t.Mapping[str, str]) -> dict[str, t.Any]:
        """Look with what the ledger suggests; again only where the server shows otherwise."""
        own = self._agent.by
        names = None if self._args["vms"] is None else frozenset(self._args["vms"])
        request = Request(
            self._args["verb"],
            names,
            install=self._args["install"] and self._args["life"],
            makes=self._args["life"],
            alive=lambda by: alive(by, own),
            failed=failed,
        )
        expected = Share.expected(self._machines)
        documents = self._roles.documents(
            expected, one_time(self._machines, (), (), ""), release=_EXPECTED_RELEASE
        )
        asked = {_VMS: vm_facts.questions(self._machines)}
        if self._args["survey"]:
            asked[_SURVEY] = survey.questions(self._machines, self._directories())
        seen = look(self._agent, documents, asked, check_mode=self.check_mode)
        vms = Look.of(seen.raw[_VMS], self._machines, request)
        self._refuse(vms)
        share = Share.planned(vms.plan)
        known = self._vars["vmm_host"]["release"] or seen.release == _EXPECTED_RELEASE
        if share != expected or share.held or not known:
            self._check_capacity(vms)
            paths = one_time(self._machines, share.installing, share.held, vms.dhcpd_conf)
            hashes = {} if self.check_mode else self._hashes(share)
            before = questions(documents)
            documents = self._roles.documents(share, paths, hashes=hashes, release=seen.release)
            if questions(documents) != before:
                again = look(self._agent, documents, asked, check_mode=self.check_mode)
                seen = replace(again, warnings=seen.warnings + again.warnings)
        writes, lives = not self.check_mode, self._args["life"]
        if writes and vms.plan.record:
            self._files.record(vms.plan.record, self._machines)
        if writes and lives and vms.plan.purge:
            self._files.forget(vms.plan.purge, self._machines)
        outcome = self._carry_out(documents, seen, vms)
        if writes and lives and vms.plan.disks:
            self._files.record_disks(vms.plan.disks, self._machines)
        result = self._result(outcome, vms)
        if self._args["survey"]:
            result |= untrusted({"survey": self._surveyed(seen)})
        return result

    def _directories(self) -> list[str]:
        """Return where images are, or will be."""
        own = self._vars["vmm_host"]["image_directory"]
        return sorted({*vm_facts.directories(self._machines), str(own)})

    def _surveyed(self, seen: t.Any) -> dict[str, t.Any]:
        raw, directories = seen.raw, self._directories()
        surveyed = survey.survey(raw[_SURVEY], raw[_VMS], self._machines, directories)
        return {**surveyed, "release": seen.release}

    def _carry_out(self, documents: t.Any, seen: t.Any, vms: Look) -> Outcome:
        plan, facts = (vms.plan if self._args["life"] else LifePlan()), vms.facts
        before = [*life_steps.before(plan, self._machines, facts, self._agent.by)]
        after = [*life_steps.after(plan, self._machines, facts)]
        show, compare = self._display.display, self._args["compare"]
        run = converger(self, self._agent, show, self._server, compare=compare)
        outcome = run.carry_out(
            documents,
            seen,
            only=None if self._args["others"] else [*(self._args["vms"] or ()), *plan.lost],
            before=[Transaction(_VMS, tuple(before))] if before else [],
            after=[Transaction(_VMS, tuple(after))] if after else [],
        )
        later = [("install", name) for name in plan.claim]
        if not self._args["compare"]:
            # Another run began these.
            joined = [name for name in plan.install if name not in plan.claim]
            later += [("wait for the installation of", name) for name in joined]
        later += [("start", name) for name in plan.start if name not in plan.install]
        later += [("start the installer's shell in", name) for name in plan.rescue]
        changes = tuple((_VMS, Change(kind, name, vms=frozenset({name}))) for kind, name in later)
        if self.check_mode:
            run.tell(changes)
        return replace(outcome, changes=(*outcome.changes, *changes))

    def _result(self, outcome: Outcome, vms: Look) -> dict[str, t.Any]:
        result = outcome.result(diffs=self.diff)
        errors = [*self._roles.errors, *result.get("errors", ())]
        errors += [
            {"document": _VMS, "text": f"{name}: {reason}"}
            for name, reason in vms.plan.refuse.items()
        ]
        if vms.plan.lost:
            lost = ", ".join(vms.plan.lost)
            warning = f"{lost}: out of vm.conf as long as its disk is not there"
            result["warnings"] = [*result.get("warnings", ()), warning]
        more: dict[str, t.Any] = {"life": vms.result(), "vms": vms.shown(), "errors": errors}
        more["at_once"] = self._at_once
        return {**result, "roles": list(self._roles.names), **untrusted(more)}

    def _refuse(self, vms: Look) -> None:
        """Refuse a run in which nothing requested is possible, or not safe (OperatorError)."""
        plan = vms.plan
        reasons = [f"{name}: {reason}" for name, reason in plan.refuse.items()]
        asked = self._args["vms"]
        nothing_left = asked is not None and all(name in plan.refuse for name in asked)
        if self._args["compare"] or not reasons or not (plan.clashes or nothing_left):
            return
        raise OperatorError("\n".join(reasons))

    def _check_capacity(self, vms: Look) -> None:
        """Refuse new VMs where the server lacks what they need (OperatorError)."""
        if not vms.plan.install or self._args["compare"]:
            return
        needs = _needs(self._vars["vmm_host"], mirrors=self._args["mirrors"])
        answer = self._agent.look(capacity.questions(self._machines, needs))
        limited = bool(self._vars["vmm_host"]["memory_limited"])
        verdict = capacity.judge(answer, self._machines, vms.plan.install, needs, limited=limited)
        names = ", ".join(vms.plan.install)
        if verdict.obstacles:
            raise OperatorError("\n".join((f"{names}: cannot be installed", *verdict.obstacles)))
        for warning in verdict.warnings:
            self._display.warning(warning)
        new = [vm for vm in self._machines if vm.name in vms.plan.install]
        self._at_once = min(self._at_once, capacity.at_once(answer, self._machines, new))

    def _hashes(self, share: Share) -> dict[str, str]:
        if not share.installing or not self._args["credentials"]:
            return {}
        return self._files.hashes(share.installing)

    @cached_property
    def _files(self) -> ServerFiles:
        return ServerFiles(self, self._vars)


def _needs(host: t.Mapping[str, t.Any], *, mirrors: bool) -> list[str]:
    """Return the paths that must be on the server before a VM can be installed.

    What the server mirrors in this run is there later, sets that it does not serve itself are
    somebody else's, and the role vmd takes care of the firmware.
    """
    if mirrors:
        return []
    directory = sets.directory_of(host)
    return [host["installer"], *([f"{directory}/bsd"] if directory else [])]
