# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Steps of a virtual machine's life.

vmctl(8) may do its work and never return, and its status says little: every call is bounded, and
what `vmctl status` shows afterwards decides.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    Step,
    change_of,
    run,
    undo,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import marker
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import Image, VmFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.images import CREATE_SECONDS
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.notes import (
    mark,
    remove,
    unmark,
    write,
)

_ANY: t.Final[list[int]] = []
_LOG: t.Final = ["/usr/bin/tail", "-n", "8", "/var/log/daemon"]
# vmd(8) gives a guest 3 s to answer and 120 s to shut down before it ends it.
STOP_SECONDS: t.Final = 180
_LOAD_SECONDS: t.Final = 8
_UNPAUSE_SECONDS: t.Final = 60
_CONSOLE_BYTES: t.Final = 32 * 1024
# How long a recording waits for the VM to start, and how long it lasts at most.
_RECORD_WAIT_SECONDS: t.Final = 60
_RECORD_SECONDS: t.Final = 86_400


def shows(title: str, pattern: str, seconds: int, **more: t.Any) -> Step:
    """Wait until `vmctl status` shows a pattern, for so many seconds."""
    fields = {
        "argv": [TOOLS["vmctl"], "status"],
        "ok": _ANY,
        "match": [pattern],
        "seconds": seconds,
        "timeout": 20,
        "explain": _LOG,
        **more,
    }
    return Step("wait", title, fields)


def runs(name: str) -> str:
    """Return a pattern for `vmctl status` in which the VM has a process."""
    return rf"^[ ]*\d+[ ]+\d+[ ][^\n]*[ ]{re.escape(name)}$"


def does_not_run(name: str) -> str:
    """Return a pattern for `vmctl status` in which the VM has no process, known to vmd or not.

    Only an answer counts, which begins with a header: silence says nothing.
    """
    return rf"\A[ ]*ID[ ](?!.*{runs(name)})"


def is_not_paused(name: str) -> str:
    """Return a pattern for `vmctl status` in which the VM is not paused, or has no process."""
    paused = rf"^[ ]*\d+[ ]+\d+[ ][^\n]*[ ]paused[ ]{re.escape(name)}$"
    return rf"\A[ ]*ID[ ](?!.*{paused})"


def unpause(name: str) -> Step:
    """Have a VM run that is paused, as for a backup; nothing is done with others.

    A paused guest cannot answer, so vmd(8) would end it 3 s after it was asked to shut down; and
    the VM would be shown as paused when it runs again (vmmci_ctl, vm_stop in usr.sbin/vmd).
    """
    ask = [TOOLS["vmctl"], "unpause", name]
    return shows(f"{name}: is still paused", is_not_paused(name), _UNPAUSE_SECONDS, ask=ask)


def stop(name: str, *, seconds: int = STOP_SECONDS, force: bool = False) -> t.Iterator[Step]:
    """Ask the guest to shut down and wait; vmd ends it after its own timeouts."""
    if not force:
        yield unpause(name)
    argv = [TOOLS["vmctl"], "stop", *(["-f"] if force else []), name]
    yield run(f"{name}: stop", argv, change=change_of(name, "stop", name), ok=_ANY, timeout=30)
    yield shows(f"{name}: does not stop", does_not_run(name), seconds)


def stop_for_good(name: str) -> t.Iterator[Step]:
    """Stop a VM for good; its definition names no owner any more, or it has none.

    Its owner may have started it before vmd(8) knew that, so it is checked once more.
    """
    yield from stop(name)
    yield from reload_vmd()
    yield shows(f"{name}: is started again and again", does_not_run(name), 30)


def still_stopped(name: str) -> t.Iterator[Step]:
    """Fail if the VM runs after all."""
    yield shows(f"{name}: runs; stop it first", does_not_run(name), 0)


def end_of_forced_stop(name: str) -> Step:
    """Wait until vmd(8) has taken note of the end of a VM that was stopped by force.

    vmm(4) forgets it at once, and vmd still takes it for a running one until its process has
    exited: until then it is in no list, and a reload keeps it (vmd_reload, vmm_sighdlr in
    usr.sbin/vmd).
    """
    return shows(f"{name}: does not stop", does_not_run(name), 30, settle=3)


def start(vm: Machine, *, kernel: str | None = None, record: bool = False) -> t.Iterator[Step]:
    """Start a VM that vmd knows; with `kernel` it boots that one, this time only."""
    if record:
        yield from record_console(vm)
    name = vm.name
    option = ["-b", kernel] if kernel else []
    change = change_of(name, "start", name, f"with {kernel}" if kernel else "")
    argv = [TOOLS["vmctl"], "start", *option, name]
    yield run(f"{name}: start", argv, change=change, timeout=60, explain=_LOG)
    yield shows(f"{name}: does not run", runs(name), 60)


def owned(name: str, steps: t.Iterable[Step]) -> t.Iterator[Step]:
    """Yield these steps as those of one VM."""
    for step in steps:
        yield replace(step, vms=frozenset({name}))


def reload_vmd() -> t.Iterator[Step]:
    """Have vmd read vm.conf again, in which every VM has `disable`: nothing starts or stops."""
    argv = [TOOLS["vmctl"], "reload"]
    yield run("vmd: reload", argv, ok=[0, 124], timeout=_LOAD_SECONDS, explain=_LOG)


def boot_installer(
    vm: Machine, facts: VmFacts, conf: bytes, offsets: t.Mapping[str, int], by: str
) -> t.Iterator[Step]:
    """Make a blank image and have vmd load a VM that boots the installer from it.

    What a failed installation left of its image is removed. The VM must be unknown to vmd, since
    `vmctl load` ignores a name that it knows; vmd forgets stopped VMs when it reads vm.conf.
    """
    title = f"{vm.name}: install"
    yield from mark(vm, facts, marker.begun(by, offsets, conf))
    if facts.status is not None:
        yield from reload_vmd()
    if facts.installing != Image.ABSENT:
        yield remove(title, vm.installing)
    create = [TOOLS["vmctl"], "create", "-s", vm.size, f"{vm.image_format}:{vm.installing}"]
    yield run(
        title,
        create,
        change=change_of(vm.name, "create image", vm.installing),
        timeout=CREATE_SECONDS,
        undo=[undo("/bin/rm", "-f", vm.installing)],
        undo_always=True,
    )
    yield from record_console(vm)
    yield run(
        title,
        [TOOLS["vmctl"], "load", vm.load],
        change=change_of(vm.name, "boot the installer in", vm.name),
        ok=[0, 124],
        timeout=_LOAD_SECONDS,
        undo=[
            {
                **undo(TOOLS["vmctl"], "stop", "-f", vm.name, timeout=30),
                # It has another disk by then: it is not the installer that runs.
                "unless": {"argv": ["/bin/ls", vm.installing], "match": r"\A\Z"},
            }
        ],
        undo_always=True,
        explain=_LOG,
    )
    yield shows(f"{title}: vmd does not know it", rf"[ ]{re.escape(vm.name)}$", 30)


def record_console(vm: Machine) -> t.Iterator[Step]:
    """Have the server keep the end of the console's output, until end_record() or the VM's end.

    Best used before the VM starts: nothing is missed then, and nothing that the VM prints in the
    milliseconds before the terminal is in raw mode comes back to it as if somebody had typed it.
    Otherwise only for a VM that does not read its console.
    """
    name = vm.name
    fields = {
        "path": vm.console,
        "limit": _CONSOLE_BYTES,
        "argv": [TOOLS["vmctl"], "status"],
        "device": _terminal(name),
        "raw": [TOOLS["stty"], "raw", "-echo"],
        "from": "/dev",
        "wait": _RECORD_WAIT_SECONDS,
        "seconds": _RECORD_SECONDS,
    }
    yield from end_record(vm)
    yield Step("record", f"{name}: record its console", fields)


def _terminal(name: str) -> str:
    """Return a pattern for `vmctl status` that captures the terminal of a VM with a process.

    Columns are counted from the end, since an account, which is in the next one, may have any name.
    """
    return rf"^[ ]*\d+[ ]+\d+[ ][^\n]*[ ](tty[A-Za-z0-9]+)(?:[ ]+\S+){{2}}[ ]+{re.escape(name)}$"


def end_record(vm: Machine) -> t.Iterator[Step]:
    """Remove what was recorded; the recorder notices that and releases the console."""
    yield remove(f"{vm.name}: its console", vm.console)


def conclude_install(vm: Machine, facts: VmFacts, stamp: str) -> t.Iterator[Step]:
    """Give the installed image its name; the image that it replaces is kept under another one."""
    title = f"{vm.name}: conclude the installation"
    yield from write(title, vm.installed, None, marker.INSTALLED)
    yield from unmark(vm, facts)
    if facts.image == Image.BLANK:
        yield remove(title, vm.image)
    elif facts.image == Image.DATA:
        old = vm.replaced(stamp)
        kept = change_of(vm.name, "keep", old)
        yield Step("rename", title, {"from": vm.image, "path": old}, change=kept)
    change = change_of(vm.name, "put", vm.image, "into place")
    yield Step("rename", title, {"from": vm.installing, "path": vm.image}, change=change)
    # The proof is removed when everything else is done.
    yield from end_record(vm)


def conclude_start(vm: Machine, facts: VmFacts) -> t.Iterator[Step]:
    """Remove the note of a finished installation, and the record of its first start."""
    if facts.installed:
        yield from end_record(vm)
        yield remove(f"{vm.name}: installed", vm.installed)
