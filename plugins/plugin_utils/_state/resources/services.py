# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Services of rcctl(8): enabled, with their flags, running, and alive after a change."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import rcctl, runfile
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    NOBODYS,
    SERVICE_SECONDS,
    Change,
    Step,
    run,
    undo,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import (
    Answer,
    PathFacts,
    Questions,
    merged,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import (
    Context,
    DocumentError,
    Options,
    declared,
    list_of,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.file import edited
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.foreign import (
    keep_or_refuse,
    questions,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Phase, Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.lines import Line

LOG: t.Final = ["/usr/bin/tail", "-n", "8", "/var/log/daemon"]


@dataclass(frozen=True)
class Service:
    """A desired service; flags and timeout (seconds) stay as they are where they are None.

    `reload` is a command that replaces rcctl(8) reload. It is judged by what follows, so it may
    exit with more than 0 (`reload_ok`) and take little time (`reload_seconds`). With
    `never_stopped`, which says why, a change of flags waits for the next start. `advice` says what
    to do about flags that others set; with `drop` they may be taken away.
    """

    name: str
    enabled: bool = True
    running: bool = True
    flags: str | None = None
    timeout: int | None = None
    on_change: str = "restart"
    reload: tuple[str, ...] = ()
    reload_ok: tuple[int, ...] = (0,)
    reload_seconds: int = SERVICE_SECONDS
    never_stopped: str | None = None
    advice: str = ""
    drop: bool = False


@dataclass(frozen=True)
class ServiceFacts:
    """rcctl(8)'s view of a service; `exists` is false where it knows no such service."""

    exists: bool = True
    enabled: bool = False
    running: bool = False
    flags: str = ""
    timeout: int = 30
    started: PathFacts | None = None


class Services:
    """Services, after all else of the document."""

    OPTION: t.ClassVar[str] = "services"
    SPEC: t.ClassVar[Options] = list_of(
        {
            "name": {"type": "str", "required": True},
            "enabled": {"type": "bool", "default": True},
            "running": {"type": "bool", "default": True},
            "flags": {"type": "str"},
            "timeout": {"type": "int"},
            "on_change": {
                "type": "str",
                "choices": ["reload", "restart", "nothing"],
                "default": "restart",
            },
            "foreign": {
                "type": "dict",
                "options": {
                    "advice": {"type": "str", "required": True},
                    "drop": {"type": "bool", "default": False},
                },
            },
        }
    )

    def desired(self, options: t.Any, context: Context) -> tuple[Service, ...]:
        services = tuple(_service(declared(item)) for item in options)
        for service in services:
            # vmd(8) stops every VM with itself, so it has a resource type that never does that.
            if service.name == "vmd":
                raise DocumentError(
                    f"{context.name}: services: vmd would stop every VM where it is restarted; "
                    "use vm_conf"
                )
        return services

    def questions(self, desired: tuple[Service, ...]) -> Questions:
        return merged(service_questions(service) for service in desired)

    def facts(self, answer: Answer, desired: tuple[Service, ...]) -> dict[str, ServiceFacts]:
        return {service.name: service_facts(service.name, answer) for service in desired}

    def plan(
        self, desired: tuple[Service, ...], facts: dict[str, ServiceFacts], out: Planning
    ) -> None:
        for service in desired:
            plan_service(service, facts[service.name], out)

    def review(self, desired: tuple[Service, ...], out: Planning) -> None:
        return


def _service(fields: dict[str, t.Any]) -> Service:
    foreign = fields.pop("foreign", None) or {}
    return Service(**fields, **foreign)


def service_questions(service: Service) -> Questions:
    verbs = ("get", "check")
    runs = [{"name": f"{verb} {service.name}", "argv": rcctl(verb, service.name)} for verb in verbs]
    asked = questions() if service.advice else []
    if service.timeout is not None:
        asked += edited([runfile(service.name)])
    return {"run": runs, "paths": asked}


def service_facts(name: str, answer: Answer) -> ServiceFacts:
    get, check = answer.runs[f"get {name}"], answer.runs[f"check {name}"]
    # rcctl(8) get: 0 enabled, 1 disabled, 2 no such service.
    if get.rc not in (0, 1):
        return ServiceFacts(exists=False)
    values = dict(line.split("=", 1) for line in get.stdout.splitlines() if "=" in line)
    flags = values.get(f"{name}_flags", "")
    return ServiceFacts(
        enabled=get.rc == 0,
        running=check.rc == 0,
        flags="" if flags == "NO" else flags,
        timeout=int(values.get(f"{name}_timeout") or 30),
        started=answer.paths.get(runfile(name)),
    )


def plan_service(
    service: Service, facts: ServiceFacts, out: Planning, *, reread: bool = False
) -> bool:
    """Plan to enable, configure, start or reload a service; return whether there is anything to do.

    A running service must still run afterwards. With `reread`, it reads its files again even if
    none of them changes.
    """
    if not facts.exists:
        raise out.error(service.name, "rcctl(8) does not know this service on this server")
    running = service.running and service.name not in out.unable
    if service.flags is not None and service.advice:
        keep_or_refuse(
            out,
            f"{service.name}_flags",
            facts.flags.split(),
            service.flags.split(),
            drop=service.drop,
            advice=service.advice,
            ours=out.ours,
        )
    _record_of_start(service, facts, out)
    settings = list(_settings(service, facts, out))
    state = list(_state(service, facts, out, running=running, reread=reread))
    out.step(Phase.SERVICE, *settings, *state)
    title = out.title(f"{service.name} does not run after the change")
    # A daemon may go to the background before it reads its file: a good start proves nothing.
    check = {"argv": rcctl("check", service.name), "settle": 2, "seconds": 20, "explain": LOG}
    if running and state:
        out.step(Phase.SERVICE, Step("wait", title, check))
    if running and service.on_change != "nothing" and not service.never_stopped:
        again = _read_again(service, service.on_change, out)
        out.after += [_of(service, again), _of(service, Step("wait", title, check))]
    return bool(settings or state)


def _of(service: Service, step: Step) -> Step:
    """Return a step that is left out if the service does not run by then."""
    return replace(step, fields={**step.fields, "service": service.name})


def _record_of_start(service: Service, facts: ServiceFacts, out: Planning) -> None:
    """Correct the time limit with which a running service was started.

    A service is stopped with the settings that it was started with, which rc.subr(8) keeps in a
    file; rcctl(8) set changes only those of its next start.
    """
    if facts.started is None or not facts.running or service.timeout is None:
        return
    path = runfile(service.name)
    line = Line(path, f"daemon_timeout={service.timeout}", "daemon_timeout")
    note = f"{service.name} runs with another time limit"
    out.edit(path, line.put(out.text(path)), note=note, quiet=True, stays=True)


def _settings(service: Service, facts: ServiceFacts, out: Planning) -> t.Iterator[Step]:
    name = service.name
    title = out.title(name)
    if service.enabled != facts.enabled:
        verb, reverse = ("enable", "disable") if service.enabled else ("disable", "enable")
        yield _rcctl(verb, reverse, service, out)
    if not service.enabled:
        return
    for variable, value in {"flags": service.flags, "timeout": service.timeout}.items():
        old = str(getattr(facts, variable))
        if value is None or str(value).split() == old.split():
            continue
        at_once = bool(service.never_stopped)
        back = undo(*rcctl("set", name, variable, *old.split()), at_once=at_once)
        yield run(
            title,
            rcctl("set", name, variable, *str(value).split()),
            change=Change("set", f"{variable} of {name}", f"to {value}"),
            undo=[back] if facts.enabled else [],
        )


def _state(
    service: Service, facts: ServiceFacts, out: Planning, *, running: bool, reread: bool
) -> t.Iterator[Step]:
    name = service.name
    if not running:
        if not service.running and facts.running:
            if service.never_stopped:
                raise out.error(name, service.never_stopped)
            yield _rcctl("stop", "start", service, out)
        return
    if not facts.running:
        fields = {"undo_always": True, "explain": LOG, "timeout": SERVICE_SECONDS}
        # VMs may run as soon as vmd(8) does, and it would stop them with itself.
        reverse = None if service.never_stopped else "stop"
        yield _rcctl("start", reverse, service, out, **fields)
        return
    how = service.on_change if out.files_changed or reread else "nothing"
    new_flags = service.flags is not None and service.flags.split() != facts.flags.split()
    if new_flags and not service.never_stopped:
        how = "restart"
    if how != "nothing":
        yield _read_again(service, how, out)


def _rcctl(
    verb: str, reverse: str | None, service: Service, out: Planning, **fields: t.Any
) -> Step:
    name = service.name
    takes_away = reverse in ("stop", "disable")
    back = [undo(*rcctl(reverse, name), at_once=takes_away)] if reverse else []
    return run(out.title(name), rcctl(verb, name), Change(verb, name), undo=back, **fields)


def _read_again(service: Service, how: str, out: Planning) -> Step:
    """Make a running service read its files: `how` is reload or restart."""
    name = service.name
    command, seconds = rcctl(how, name), SERVICE_SECONDS
    at_once = bool(service.never_stopped)
    if how == "reload" and service.reload:
        command, seconds = [*service.reload], service.reload_seconds
    return run(
        out.title(name),
        command,
        change=Change(how, name, vms=NOBODYS, consequence=True),
        ok=list(service.reload_ok) if how == "reload" else [0],
        timeout=seconds,
        undo=[
            undo(*command, timeout=seconds, at_once=at_once),
            undo(*rcctl("start", name), ok=[0], at_once=at_once),
        ],
        undo_always=True,
        explain=LOG,
    )
