# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Puts a server's files back to a generation: one transaction, with all that any other has.

Only files go back. The daemons' own checkers read them first, services that run read them again,
and no VM that runs is stopped, forgotten or cut off, and none is started.
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
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS, rcctl
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step, digest, run
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import (
    Answer,
    PathFacts,
    Questions,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.file import (
    File,
    differ,
    parent,
)
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
# Files that a VM which runs must not vanish from: their language, and what it calls a VM.
_NAME_VMS: t.Final = {_VM_CONF: ("vm.conf", "VM "), "/etc/dhcpd.conf": ("dhcpd.conf", "host ")}
# Files that the kernel's state follows when the server boots.
_AT_BOOT: t.Final = ("/etc/hostname.", "/etc/sysctl.conf")
Answers = t.Mapping[str, Answer]


def questions(way: Way) -> dict[str, Questions]:
    """What is asked of the server, by key: the files as they are and were, services, and VMs."""
    files = _files(way)
    paths: list[t.Any] = [{"path": path, "read": 1} for path in files]
    paths += [{"path": parent(path), "hash": 0} for path in files]
    paths += [{"path": file.old, "read": 1} for file in files.values() if file.old]
    names = {step.fields["service"] for step in _again(way, files) if "service" in step.fields}
    runs = [{"name": name, "argv": rcctl("check", name)} for name in sorted(names)]
    asks: dict[str, Questions] = {FILES: {"paths": paths, "run": runs}}
    if _NAME_VMS.keys() & files.keys():
        asks[VMS] = vm_conf.VmConf().questions(_vmd(File(_VM_CONF, b"")))
    return asks


def plan_back(way: Way, answers: Answers, *, overwrite: bool = False) -> Part:
    """The transaction. Raises PlanError for what cannot be had, and for files edited by hand.

    With `overwrite`, these are put back as well; they are kept as any other old file.
    """
    return _Back(way, answers, overwrite=overwrite).part()


def _files(way: Way) -> dict[str, Replaced]:
    """Those that go back."""
    return {path: file for path, file in way.files.items() if not (file.secret or file.stays)}


def _again(way: Way, paths: t.Container[str]) -> list[Step]:
    """What has services read these files again, in the order of the oldest that is undone.

    Of several of one service the newest counts.
    """
    steps: dict[tuple[str, str], Step] = {}
    for one in reversed(way.undone):
        if any(file.path in paths and not file.internal for file in one.files):
            for step in one.again:
                steps[step.do, str(step.fields.get("service", step.fields["argv"]))] = step
    return list(steps.values())


def _vmd(file: File, conf: VmConf | None = None, now: vm_conf.Facts | None = None) -> t.Any:
    """vm.conf and vmd(8), which is left as enabled, running and limited as it is."""
    service = Service(
        "vmd",
        enabled=now is None or now.service.enabled,
        running=now is None or now.service.running,
        on_change="reload",
        **vm_conf.RELOAD,
    )
    shows = tuple(vm.name for vm in conf.vms) if conf else ()
    return vm_conf.Wanted(file, service, shows)


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
        confirm = [one.confirm for one in self._way.undone if one.confirm and self._is_of(one)]
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
        is_now, wanted = now.sha256 if now else None, file.was.sha256 if file.was else None
        return is_now not in (last, wanted)

    def _is_of(self, one: t.Any) -> bool:
        return any(file.path in self._changed for file in one.files)

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

    def _running(self) -> frozenset[str]:
        return self._vm_facts().running

    def _vm_facts(self) -> vm_conf.Facts:
        return vm_conf.VmConf().facts(self._answers[VMS], _vmd(File(_VM_CONF, b"")))

    def _refuse_for_vms(self, path: str, content: bytes) -> None:
        """A VM that runs keeps what the file says of it. Raises PlanError."""
        if path not in _NAME_VMS:
            return
        language, word = _NAME_VMS[path]
        old, new = (
            {text.removeprefix(word) for text in elements(language, one) if text.startswith(word)}
            for one in (self._out.text(path), content.decode("utf-8", "replace"))
        )
        lost = sorted((old - new) & self._running())
        if lost:
            raise self._out.error(
                path,
                f"{', '.join(lost)} runs, and the file of then does not have it: name a later "
                f"generation, or stop it (vmctl stop, or verb=archive) first",
            )

    def _vm_conf(self, item: File) -> None:
        """Raises PlanError where reading the file would start a VM, or cannot be foreseen."""
        text = item.content.decode("utf-8", "surrogateescape")
        try:
            conf = parse_vm_conf(text)
        except Unreadable as error:
            raise self._out.error(item.path, f"the file of then cannot be read: {error}") from error
        facts = self._vm_facts()
        started = [vm.name for vm in conf.vms if vm.enabled and vm.name not in facts.running]
        if started and facts.service.running:
            raise self._out.error(
                item.path,
                f"the file of then has {', '.join(started)} without disable, so that vmd(8) would "
                "start it as it reads the file: name a later generation",
            )
        # One that is missing ends vmd(8), and every VM with it.
        for name in dict.fromkeys(one.interface for one in conf.switches if one.interface):
            title = self._out.title(f"interface {name} is gone, which vm.conf of then needs")
            self._out.before_services(run(title, [TOOLS["ifconfig"], name], timeout=30))
        vm_conf.VmConf().plan(_vmd(item, conf, facts), facts, self._out)

    def _concerns(self, step: Step) -> bool:
        """Whether its service runs; one that does not is not started."""
        name = step.fields.get("service")
        return name is None or self._server.runs[name].rc == 0

    def _warn(self) -> None:
        others = [f"{text} ({one.number}, {one.role})" for one in self._way.undone
                  for text in one.others]  # fmt: skip
        if others:
            self._out.warn("what is not a file", f"stays as it is: {'; '.join(others)}")
        stays = [path for path, file in self._way.files.items() if file.stays]
        shown = [path for path in stays if not self._way.files[path].internal]
        if shown:
            self._out.warn(
                ", ".join(shown), "stays as it is, since it goes with something that is not a file"
            )
        if any(file.secret for file in self._way.files.values()):
            self._out.warn("secret files", "stay as they are, since none is kept")
        later = [path for path in sorted(self._changed) if path.startswith(_AT_BOOT)]
        if later:
            self._out.warn(
                ", ".join(later), "holds from the next boot on: what it is about is not a file"
            )
        for path in self._way.edited_before:
            if path in self._changed:
                self._out.warn(
                    path, "had been edited by hand by then; what was replaced comes back"
                )
