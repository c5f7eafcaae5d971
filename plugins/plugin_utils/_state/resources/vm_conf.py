# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""vm.conf(5), and vmd(8) with it, which is never restarted since that would stop every VM.

When vmd(8) reads its file, it registers a stopped VM again, and keeps the old definition of a
running one, even after that has stopped, until the next reload. It does not replace a switch that
it knows before its next start. It shows none of that, so the names of such VMs and switches are
kept in files on the server.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.puffy.vmm.plugins.module_utils._formats.vm_conf import (
    Unreadable,
    parse_vm_conf,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import read
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS, runfile
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import (
    PENDING_FILE,
    refuse_silence,
    since_start,
    status_lines,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import (
    Answer,
    Questions,
    merged,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import (
    ATTRIBUTES,
    Context,
    Options,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.file import File, edited
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.foreign import (
    FOREIGN,
    Foreign,
    questions,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Phase, Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.services import (
    LOG,
    Service,
    ServiceFacts,
    plan_service,
    service_facts,
    service_questions,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text import blocks

# What waits for vmd's next start, a line each.
WAITING_FILE: t.Final = "/var/db/puffy.vmm.waiting"
# vmctl(8) reload may do its work and never return: its time is limited, and the state decides.
_RELOAD_SECONDS: t.Final = 8
_TIMED_OUT: t.Final = 124
_STATUS: t.Final = [TOOLS["vmctl"], "status"]
_KEEP: t.Final = "stopping vmd would stop every VM of this server"
# How vmd(8) reads its file again, as fields of its service.
RELOAD: t.Final[t.Mapping[str, t.Any]] = {
    "reload": (TOOLS["vmctl"], "reload"),
    "reload_ok": (0, _TIMED_OUT),
    "reload_seconds": _RELOAD_SECONDS,
    "never_stopped": _KEEP,
}


@dataclass(frozen=True)
class Desired:
    """The file, the service, and the VMs that vmd must show once it has read the file.

    `images` are the paths of the fleet's images, by the VM's name.
    """

    file: File
    service: Service
    shows: tuple[str, ...]
    foreign: Foreign | None = None
    images: t.Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """Names of running VMs, of those with an older definition, and what waits for a start."""

    service: ServiceFacts
    running: frozenset[str]
    pending: tuple[str, ...]
    waiting: tuple[str, ...]


class VmConf:
    """vm.conf: loaded by vmctl(8) reload, which starts nothing where every VM has `disable`."""

    OPTION: t.ClassVar[str] = "vm_conf"
    SPEC: t.ClassVar[Options] = {
        "type": "dict",
        "options": {
            "path": {"type": "str", "required": True},
            "template": {"type": "str", "required": True},
            "mode": {"type": "str", "default": "0600"},
            **ATTRIBUTES,
            "validate": {"type": "str"},
            "service": {"type": "str", "required": True},
            "timeout": {"type": "int"},
            "shows": {"type": "list", "elements": "str", "default": []},
            "foreign": FOREIGN,
            "images": {"type": "dict", "default": {}},
        },
    }

    def desired(self, options: t.Any, context: Context) -> Desired:
        file = File(
            context.path(options["path"]),
            context.template(options["template"], {}).encode(),
            context.mode(options["path"], options["mode"]),
            options["owner"],
            options["group"],
            options.get("validate"),
        )
        timeout = options.get("timeout")
        service = Service(options["service"], timeout=timeout, on_change="reload", **RELOAD)
        foreign = options.get("foreign")
        others = Foreign(**foreign) if foreign else None
        return Desired(file, service, tuple(options["shows"]), others, options["images"])

    def questions(self, desired: Desired) -> Questions:
        paths = edited([desired.file.path, PENDING_FILE, WAITING_FILE])
        paths += [*questions(), read(runfile(desired.service.name))]
        status = {"name": "status", "argv": _STATUS, "timeout": 20}
        own: Questions = {"paths": paths, "run": [status]}
        return merged([own, service_questions(desired.service)])

    def facts(self, answer: Answer, desired: Desired) -> Facts:
        """Return what runs and what waits. Raises Silent if vmd runs and does not answer."""
        name = desired.service.name
        status, check = answer.runs["status"], answer.runs[f"check {name}"]
        refuse_silence({"stdout": status.stdout}, {"rc": check.rc})
        lines = status_lines(status.stdout)
        running = frozenset(vm for vm, line in lines.items() if line.pid is not None)
        pending, waiting = (_noted(answer, path, name) for path in (PENDING_FILE, WAITING_FILE))
        return Facts(service_facts(name, answer), running, pending, waiting)

    def plan(self, desired: Desired, facts: Facts, out: Planning) -> None:
        path = desired.file.path
        old, new = out.text(path), desired.file.content.decode()
        if desired.foreign:
            desired.foreign.review(desired.file, out, _of_the_fleet(old, desired.images))
        before = old.encode("utf-8", "surrogateescape")
        changed, gone = blocks.difference("vm.conf", before, desired.file.content)
        out.file(replace(desired.file, vms=frozenset(changed), gone=gone))
        running = {name for name in facts.running if not out.made("stopped VM", name)}
        pending = _pending(facts.pending, running, old != new, changed)
        out.pending += pending
        reread = {*pending} != {*facts.pending}
        acted = plan_service(desired.service, facts.service, out, reread=reread)
        waiting = [*facts.waiting, *_waits(old, new)] if facts.service.running else []
        for line in dict.fromkeys(waiting):
            text = f"changed; it waits for the next start of {desired.service.name}"
            out.warn(line, text)
        _note(PENDING_FILE, pending, desired.service, out)
        _note(WAITING_FILE, dict.fromkeys(waiting), desired.service, out)
        if acted and desired.shows and _runs(desired, out):
            match = [f"\\s{re.escape(name)}$" for name in desired.shows]
            fields = {"argv": _STATUS, "ok": [], "match": match, "seconds": 60, "explain": LOG}
            title = out.title("vmctl status does not show every VM of vm.conf")
            out.step(Phase.SERVICE, Step("wait", title, fields))

    def review(self, desired: Desired, out: Planning) -> None:
        out.file(desired.file)


def _of_the_fleet(text: str, images: t.Mapping[str, str]) -> frozenset[str]:
    """Return the VMs with the fleet's images, as elements() names them: the fleet decides them."""
    try:
        conf = parse_vm_conf(text)
    except Unreadable:
        return frozenset()
    return frozenset(
        f"VM {vm.name}"
        for vm in conf.vms
        if vm.name in images and any(disk.path == images[vm.name] for disk in vm.disks)
    )


def _runs(desired: Desired, out: Planning) -> bool:
    return desired.service.name not in out.unable


def _noted(answer: Answer, path: str, service: str) -> tuple[str, ...]:
    """Return what a file of _note() says, nothing if the service was started since then."""
    facts = (answer.paths.get(path), answer.paths.get(runfile(service)))
    written, started = (each.mtime if each else None for each in facts)
    return tuple(since_start(answer.text(path), written, started))


def _note(path: str, lines: t.Collection[str], service: Service, out: Planning) -> None:
    """Keep what vmd does not use yet, in a file newer than rc.subr(8)'s record of its start.

    That record is also written for another time limit, so the file has the limit too.
    """
    if lines or out.path(path):
        head = f"# {service.name} has a time limit of {service.timeout} s\n" if lines else ""
        text = head + "".join(f"{line}\n" for line in lines)
        out.edit(path, text, internal=True, quiet=True, stays=True)


def _pending(
    noted: t.Iterable[str], running: t.Collection[str], changes: bool, changed: t.Collection[str]
) -> tuple[str, ...]:
    """Return the VMs that will run with an older definition once the file is loaded."""
    names = set(noted)
    if changes or names - set(running):
        # The reload that follows registers the stopped ones again.
        names = {name for name in (*names, *changed) if name in running}
    return tuple(sorted(names - {blocks.REST}))


def _waits(old: str, new: str) -> t.Iterator[str]:
    """Yield, in words, the parts of a change that vmd uses only after its next start."""
    if old == new:
        return
    try:
        before, after = parse_vm_conf(old), parse_vm_conf(new)
    except Unreadable:
        return
    known = {switch.name: switch for switch in before.switches}
    for switch in after.switches:
        if switch.name in known and known[switch.name] != switch:
            yield f"switch {switch.name}"
