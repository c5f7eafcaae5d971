# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Puts a server's files back to a generation, in a transaction like any other.

Only files are put back. The daemons' own checkers read them first, running services read them
again, and no running VM is stopped, forgotten or cut off, and none is started.
"""

from __future__ import annotations

import shlex
import typing as t

from ansible_collections.puffy.vmm.plugins.module_utils._formats.elements import elements
from ansible_collections.puffy.vmm.plugins.module_utils._formats.vm_conf import (
    Unreadable,
    VmConf,
    parse_vm_conf,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import read
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS, rcctl
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step, digest, run
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import (
    Answer,
    PathFacts,
    Questions,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.file import File, differ, edited
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import (
    Phase,
    Planning,
    World,
    removal,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.generations import Replaced, Way
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import Part
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources import vm_conf
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.services import Service

FILES: t.Final = "files"
VMS: t.Final = "VMs"
_VM_CONF: t.Final = "/etc/vm.conf"
# Files that a running VM must not vanish from: their language, and what it calls a VM.
_NAME_VMS: t.Final = {_VM_CONF: ("vm.conf", "VM "), "/etc/dhcpd.conf": ("dhcpd.conf", "host ")}
# Files that the kernel's state follows only when the server boots.
_AT_BOOT: t.Final = ("/etc/hostname.", "/etc/sysctl.conf")
Answers = t.Mapping[str, Answer]


def questions(way: Way) -> dict[str, Questions]:
    """Return the questions, by key: about the files as they are and were, services, and VMs."""
    files = _files(way)
    paths = edited(files) + [read(file.old) for file in files.values() if file.old]
    names = {step.fields["service"] for step in _again(way, files) if "service" in step.fields}
    runs = [{"name": name, "argv": rcctl("check", name)} for name in sorted(names)]
    asks: dict[str, Questions] = {FILES: {"paths": paths, "run": runs}}
    if _NAME_VMS.keys() & files.keys():
        asks[VMS] = vm_conf.VmConf().questions(_vmd(File(_VM_CONF, b"")))
    return asks


def plan_back(way: Way, answers: Answers, *, overwrite: bool = False) -> Part:
    """Return the transaction. Raises PlanError for what is not possible, and for edited files.

    With `overwrite`, files that were edited by hand are put back as well, and kept like any other.
    """
    return _Back(way, answers, overwrite=overwrite).part()


def _files(way: Way) -> dict[str, Replaced]:
    """Return the files that are put back."""
    return {path: file for path, file in way.files.items() if not (file.secret or file.stays)}


def _again(way: Way, paths: t.Container[str]) -> list[Step]:
    """Return what makes services read these files again, in the order of the oldest undone.

    The newest counts of several for a service.
    """
    steps: dict[tuple[str, str], Step] = {}
    for generation in reversed(way.undone):
        if any(file.path in paths and not file.internal for file in generation.files):
            for step in generation.again:
                steps[step.do, str(step.fields.get("service", step.fields["argv"]))] = step
    return list(steps.values())


def _vmd(file: File, conf: VmConf | None = None, now: vm_conf.Facts | None = None) -> t.Any:
    """Return vm.conf and vmd(8), which stays as enabled, running and limited as it is."""
    service = Service(
        "vmd",
        enabled=now is None or now.service.enabled,
        running=now is None or now.service.running,
        on_change="reload",
        **vm_conf.RELOAD,
    )
    shows = tuple(vm.name for vm in conf.vms) if conf else ()
    return vm_conf.Desired(file, service, shows)


class _Back:
    def __init__(self, way: Way, answers: Answers, *, overwrite: bool) -> None:
        self._way, self._overwrite = way, overwrite
        self._server = answers[FILES]
        self._answers = answers
        self._out = Planning(f"rollback to {way.to}", World.of(answers.values()))
        self._changed: set[str] = set()

    def part(self) -> Part:
        files = _files(self._way)
        edited = [path for path, file in files.items() if self._is_edited(file)]
        if edited and not self._overwrite:
            raise self._out.error(
                ", ".join(edited),
                "was edited by hand since this collection wrote it last: bring its change into "
                "the fleet, or put it back as well with -e edited=overwrite, which keeps the "
                "edited file as a generation",
            )
        for path, file in files.items():
            self._put_back(path, file)
        if not self._changed:
            return Part(self._out.name)
        again = [step for step in _again(self._way, self._changed) if self._concerns(step)]
        self._out.step(Phase.SERVICE, *again)
        self._warn()
        steps = self._out.finish()
        confirm = [
            generation.confirm
            for generation in self._way.undone
            if generation.confirm and any(file.path in self._changed for file in generation.files)
        ]
        return Part(
            self._out.name,
            steps=steps,
            confirm=max(confirm, default=None),
            after=tuple(again),
            warnings=tuple(self._out.warnings),
            pending=tuple(self._out.pending),
        )

    def _is_edited(self, file: Replaced) -> bool:
        now, last = self._now(file.path), self._way.last[file.path]
        was = file.was.sha256 if file.was else None
        return (now.sha256 if now else None) not in (last, was)

    def _now(self, path: str) -> PathFacts | None:
        now = self._server.paths.get(path)
        if now and (now.type != "file" or not now.sha256):
            raise self._out.error(path, f"is a {now.type} now that cannot be compared; look at it")
        return now

    def _put_back(self, path: str, file: Replaced) -> None:
        now = self._now(path)
        if file.was is None:
            if now:
                self._changed.add(path)
                self._refuse_for_vms(path, b"")
                title = self._out.title(path)
                self._out.step(Phase.REMOVE, removal(title, path, now, sensitive=False))
            return
        item = self._item(path, file, file.was)
        if now and now.sha256 == file.was.sha256 and not differ(now, item):
            return
        self._changed.add(path)
        self._refuse_for_vms(path, item.content)
        if path == _VM_CONF:
            self._vm_conf(item)
        else:
            self._out.file(item)

    def _item(self, path: str, file: Replaced, was: PathFacts) -> File:
        content = self._server.read.get(file.old or path)
        if content is None or digest(content) != was.sha256:
            place = f", {file.old}," if file.old else ""
            raise self._out.error(
                path, f"what is kept of it{place} is missing, or is not what was replaced"
            )
        words = ["{path}" if isinstance(word, dict) else str(word) for word in file.check or ()]
        return File(
            path,
            content,
            was.mode,
            was.owner,
            was.group,
            validate=shlex.join(words) or None,
            check_last=file.check_last,
            internal=file.internal,
            quiet=file.internal,
        )

    def _vm_facts(self) -> vm_conf.Facts:
        return vm_conf.VmConf().facts(self._answers[VMS], _vmd(File(_VM_CONF, b"")))

    def _refuse_for_vms(self, path: str, content: bytes) -> None:
        """Refuse a file that does not have a running VM any more (PlanError)."""
        if path not in _NAME_VMS:
            return
        language, word = _NAME_VMS[path]
        old, new = (
            {name.removeprefix(word) for name in elements(language, text) if name.startswith(word)}
            for text in (self._out.text(path), content.decode("utf-8", "replace"))
        )
        lost = sorted((old - new) & self._vm_facts().running)
        if lost:
            raise self._out.error(
                path,
                f"{', '.join(lost)} runs, and the old file does not have it: name a later "
                f"generation, or stop it (vmctl stop, or verb=archive) first",
            )

    def _vm_conf(self, item: File) -> None:
        """Plan vm.conf. Raises PlanError where reading it would start a VM, or is unpredictable."""
        text = item.content.decode("utf-8", "surrogateescape")
        try:
            conf = parse_vm_conf(text)
        except Unreadable as error:
            raise self._out.error(item.path, f"the old file cannot be read: {error}") from error
        facts = self._vm_facts()
        started = [vm.name for vm in conf.vms if vm.enabled and vm.name not in facts.running]
        if started and facts.service.running:
            raise self._out.error(
                item.path,
                f"the old file has {', '.join(started)} without disable, so that vmd(8) would "
                "start it when it reads the file: name a later generation",
            )
        # A missing interface ends vmd(8), and every VM with it.
        for name in dict.fromkeys(switch.interface for switch in conf.switches if switch.interface):
            title = self._out.title(f"interface {name} is gone, which the old vm.conf needs")
            self._out.before_services(run(title, [TOOLS["ifconfig"], name], timeout=30))
        vm_conf.VmConf().plan(_vmd(item, conf, facts), facts, self._out)

    def _concerns(self, step: Step) -> bool:
        """Return whether the step's service runs; one that does not is not started."""
        name = step.fields.get("service")
        return name is None or self._server.runs[name].rc == 0

    def _warn(self) -> None:
        others = [
            f"{text} ({generation.number}, {generation.role})"
            for generation in self._way.undone
            for text in generation.others
        ]
        if others:
            self._out.warn("what is not a file", f"stays as it is: {'; '.join(others)}")
        stays = [path for path, file in self._way.files.items() if file.stays]
        shown = [path for path in stays if not self._way.files[path].internal]
        if shown:
            self._out.warn(
                ", ".join(shown), "stays as it is, since it belongs to something that is not a file"
            )
        if any(file.secret for file in self._way.files.values()):
            self._out.warn("secret files", "stay as they are, since they are not kept")
        later = [path for path in sorted(self._changed) if path.startswith(_AT_BOOT)]
        if later:
            self._out.warn(
                ", ".join(later), "takes effect at the next boot: it is about the kernel's state"
            )
        for path in self._way.edited_before:
            if path in self._changed:
                self._out.warn(
                    path, "had been edited by hand before; what was replaced is put back"
                )
