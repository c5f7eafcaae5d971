# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Steps of a virtual machine's life.

vmctl(8) may do its work and never return, and its status says little: every call is bounded, and
what `vmctl status` shows afterwards decides.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._document import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._steps import Step, digest, run, undo
from ansible_collections.puffy.vmm.plugins.plugin_utils._vm_facts import Names, VmFacts

Vm = t.Mapping[str, t.Any]
_ANY: t.Final[list[int]] = []
_LOG: t.Final = ["/usr/bin/tail", "-n", "8", "/var/log/daemon"]
# vmd(8) gives a guest 3 s to answer and 120 s to shut down before it ends it.
STOP_SECONDS: t.Final = 130
_CREATE_SECONDS: t.Final = 300
_LOAD_SECONDS: t.Final = 8


def _status(title: str, pattern: str, seconds: int) -> Step:
    fields = {
        "argv": [TOOLS["vmctl"], "status"],
        "ok": _ANY,
        "match": [pattern],
        "seconds": seconds,
        "timeout": 20,
        "explain": _LOG,
    }
    return Step("wait", title, fields)


def runs(name: str) -> str:
    """A pattern for `vmctl status` in which the VM has a process."""
    return rf"^[ ]*\d+[ ]+\d+[ ][^\n]*[ ]{re.escape(name)}$"


def rests(name: str) -> str:
    """A pattern for `vmctl status` in which it has none, known to vmd or not."""
    return rf"\A(?!.*{runs(name)})"


def stop(vm: Vm, *, seconds: int = STOP_SECONDS, force: bool = False) -> t.Iterator[Step]:
    """Asks the guest to shut down and waits; vmd ends it after its own time-outs."""
    name = vm["name"]
    argv = [TOOLS["vmctl"], "stop", *(["-f"] if force else []), name]
    yield run(f"{name}: stop", argv, change=f"stop {name}", ok=_ANY, timeout=30)
    yield _status(f"{name}: does not stop", rests(name), seconds)


def start(vm: Vm, *, kernel: str | None = None) -> t.Iterator[Step]:
    """Starts a VM that vmd knows; with `kernel` it boots that one, this time only."""
    name = vm["name"]
    option = ["-b", kernel] if kernel else []
    what = f"start {name}" + (f" with {kernel}" if kernel else "")
    argv = [TOOLS["vmctl"], "start", *option, name]
    yield run(f"{name}: start", argv, change=what, timeout=60, explain=_LOG)
    yield _status(f"{name}: does not run", runs(name), 30)


def reload_vmd() -> t.Iterator[Step]:
    """Has vmd read vm.conf again, in which every VM has `disable`: nothing starts or stops."""
    argv = [TOOLS["vmctl"], "reload"]
    yield run("vmd: reload", argv, ok=[0, 124], timeout=_LOAD_SECONDS, explain=_LOG)


def begin_install(vm: Vm, facts: VmFacts, load: bytes) -> t.Iterator[Step]:
    """Puts a blank image aside and has vmd load a VM that boots the installer from it.

    The VM must be unknown to vmd: `vmctl load` ignores a name that it knows.
    """
    names, title = Names.of(vm), f"{vm['name']}: install"
    if facts.installing == "absent":
        size, kind = vm["image"]["size"], vm["image"]["format"]
        command = [TOOLS["vmctl"], "create", "-s", size, f"{kind}:{names.installing}"]
        back = [undo("/bin/rm", "-f", names.installing)]
        change = f"create image {names.installing}"
        yield run(title, command, change=change, timeout=_CREATE_SECONDS, undo=back)
    before = [None] if not facts.begun else None
    fields = {"path": names.load, "before": before, "owner": "root", "group": "wheel"}
    yield Step("stage", title, {**fields, "mode": "0600"}, content=load)
    yield Step("commit", title, {"path": names.load, "before": before, "sha256": digest(load)})
    yield run(
        title,
        [TOOLS["vmctl"], "load", names.load],
        change=f"boot the installer in {vm['name']}",
        ok=[0, 124],
        timeout=_LOAD_SECONDS,
        undo=[undo(TOOLS["vmctl"], "stop", "-f", vm["name"], timeout=30)],
        undo_always=True,
        explain=_LOG,
    )
    yield _status(f"{title}: vmd does not know it", rf"[ ]{re.escape(vm['name'])}$", 30)


def conclude_install(vm: Vm, facts: VmFacts, stamp: str) -> t.Iterator[Step]:
    """Gives the installed image its name; an image that it replaces is kept aside."""
    names, title = Names.of(vm), f"{vm['name']}: conclude the installation"
    if facts.image == "blank":
        yield run(title, ["/bin/rm", "-f", names.image])
    elif facts.image == "data":
        old = names.image.replace(f"/{vm['name']}.", f"/{vm['name']}.replaced-{stamp}.")
        yield Step("rename", title, {"from": names.image, "path": old}, change=f"keep {old}")
    change = f"put {names.image} into place"
    yield Step("rename", title, {"from": names.installing, "path": names.image}, change=change)
    yield run(title, ["/bin/rm", "-f", names.load])


def archive(vm: Vm) -> t.Iterator[Step]:
    """Renames the image of a VM that is in no configuration any more."""
    names, title = Names.of(vm), f"{vm['name']}: archive"
    change = f"rename {names.image} to {names.archived}"
    yield Step("rename", title, {"from": names.image, "path": names.archived}, change=change)


def restore(vm: Vm) -> t.Iterator[Step]:
    """Gives an archived image its name again."""
    names, title = Names.of(vm), f"{vm['name']}: restore"
    change = f"rename {names.archived} to {names.image}"
    yield Step("rename", title, {"from": names.archived, "path": names.image}, change=change)


def purge(vm: Vm) -> t.Iterator[Step]:
    """Removes the image of an archived VM for good."""
    names = Names.of(vm)
    argv = ["/bin/rm", "-f", names.archived, names.installing, names.load]
    yield run(f"{vm['name']}: purge", argv, change=f"remove {names.archived}")
