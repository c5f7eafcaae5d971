# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Plans services by rcctl(8), and kernel state by sysctl(8)."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    SERVICE_SECONDS,
    PlanError,
    Step,
    rcctl,
    run,
    undo,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import (
    Document,
    File,
    Line,
    Service,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.probe import (
    Current,
    ServiceFacts,
    runfile,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.files import set_line

_LOG: t.Final = ["/usr/bin/tail", "-n", "8", "/var/log/daemon"]
# vmctl(8) reload may do its work and never return: its time is bounded, the state judged.
_RELOAD_SECONDS: t.Final = 8
_ENDED_OR_TIMED_OUT: t.Final = [0, 124]


def services(document: Document, current: Current, files_changed: bool) -> t.Iterator[Step]:
    """Enables, configures, starts, reloads, and sees that the service lives afterwards."""
    for service in document.services:
        facts = current.services.get(service.name, ServiceFacts(exists=False))
        if not facts.exists:
            raise PlanError(
                f"{document.name}: rcctl(8) knows no service {service.name} on this server"
            )
        yield from _settings(document, service, facts)
        steps = list(_state(document, service, facts, files_changed))
        yield from steps
        if service.running and steps:
            yield from _healthy(document, service)


def runfiles(document: Document, current: Current) -> t.Iterator[File]:
    """Files of rc.subr(8) in which a running service has another timeout than wanted.

    A service is stopped with the settings that it was started with, which rc.subr keeps in a file;
    rcctl(8) set changes those of its next start alone.
    """
    for service in document.services:
        path = runfile(service.name)
        facts = current.paths.get(path)
        running = current.services.get(service.name, ServiceFacts()).running
        if facts is None or not running or service.timeout is None:
            continue
        text = current.read[path].decode("utf-8", "surrogateescape")
        new = set_line(text, Line(path, f"daemon_timeout={service.timeout}", "daemon_timeout"))
        yield File(
            path,
            new.encode("utf-8", "surrogateescape"),
            facts.mode,
            facts.owner,
            facts.group,
            note=f"{service.name} runs with another time limit",
        )


def sysctls(document: Document, current: Current) -> t.Iterator[Step]:
    """Sets and reads back: sysctl(8) exits with 0 even for an unknown name or a bad value."""
    for name, value in sorted((document.sysctls or {}).items()):
        old = current.sysctls.get(name)
        title = f"{document.name}: sysctl {name}"
        if old is None:
            raise PlanError(f"{title}: this server's kernel has no such variable")
        if old == value:
            continue
        tool = TOOLS["sysctl"]
        yield run(
            title,
            [tool, f"{name}={value}"],
            change=f"set {name} from {old} to {value}",
            undo=[undo(tool, f"{name}={old}")],
            undo_always=True,
        )
        fields = {"argv": [tool, "-n", name], "match": [f"\\A{re.escape(value)}$"], "seconds": 2}
        yield Step("wait", f"{title}: the kernel does not take {value}", fields)


def _settings(document: Document, service: Service, facts: ServiceFacts) -> t.Iterator[Step]:
    name = service.name
    title = f"{document.name}: {name}"
    if service.enabled and not facts.enabled:
        back = [undo(*rcctl("disable", name))]
        yield run(title, rcctl("enable", name), change=f"enable {name}", undo=back)
    if facts.enabled and not service.enabled:
        back = [undo(*rcctl("enable", name))]
        yield run(title, rcctl("disable", name), change=f"disable {name}", undo=back)
    if not service.enabled:
        return
    wanted = {"flags": service.flags, "timeout": service.timeout}
    for variable, value in wanted.items():
        old = str(getattr(facts, variable))
        if value is None or str(value).split() == old.split():
            continue
        back = [undo(*rcctl("set", name, variable, *old.split()))] if facts.enabled else []
        yield run(
            title,
            rcctl("set", name, variable, *str(value).split()),
            change=f"set {variable} of {name} to {value}",
            undo=back,
        )


def _state(
    document: Document, service: Service, facts: ServiceFacts, files_changed: bool
) -> t.Iterator[Step]:
    name = service.name
    title = f"{document.name}: {name}"
    if not service.running:
        if facts.running:
            if name == "vmd":
                raise PlanError(f"{title}: stopping vmd would stop every VM of this server")
            back = [undo(*rcctl("start", name))]
            yield run(title, rcctl("stop", name), change=f"stop {name}", undo=back)
        return
    if not facts.running:
        yield run(
            title,
            rcctl("start", name),
            change=f"start {name}",
            undo=[undo(*rcctl("stop", name))],
            undo_always=True,
            explain=_LOG,
            timeout=SERVICE_SECONDS,
        )
        return
    new_flags = service.flags is not None and service.flags.split() != facts.flags.split()
    how = service.on_change if files_changed else "nothing"
    if new_flags and name != "vmd":
        how = "restart"
    if how == "nothing":
        return
    if name == "vmd":
        argv, ok, seconds = [TOOLS["vmctl"], "reload"], _ENDED_OR_TIMED_OUT, _RELOAD_SECONDS
    else:
        argv, ok, seconds = rcctl(how, name), [0], SERVICE_SECONDS
    yield run(
        title,
        argv,
        change=f"{how} {name}",
        ok=ok,
        timeout=seconds,
        undo=[undo(*argv, timeout=seconds), undo(*rcctl("start", name), ok=[0])],
        undo_always=True,
        explain=_LOG,
    )


def _healthy(document: Document, service: Service) -> t.Iterator[Step]:
    title = f"{document.name}: {service.name} does not live after the change"
    # vmd(8) goes to the background before it reads its file, so a good start proves nothing yet.
    fields = {"argv": rcctl("check", service.name), "settle": 2, "seconds": 20, "explain": _LOG}
    yield Step("wait", title, fields)
    if service.shows:
        match = [f"\\s{re.escape(word)}$" for word in service.shows]
        fields = {"argv": [TOOLS["vmctl"], "status"], "ok": [], "match": match, "seconds": 60}
        title = f"{document.name}: vmctl status does not show every VM of vm.conf"
        yield Step("wait", title, {**fields, "explain": _LOG})
