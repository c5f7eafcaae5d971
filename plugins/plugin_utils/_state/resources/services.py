# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Services of rcctl(8): enabled, with their flags, running, and alive after a change."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import rcctl
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
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import (
    Context,
    DocumentError,
    Options,
    given,
    list_of,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.foreign import (
    keep_or_refuse,
    questions,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Phase, Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.lines import Line

LOG: t.Final = ["/usr/bin/tail", "-n", "8", "/var/log/daemon"]


@dataclass(frozen=True)
class Service:
    """A service as it is to be; flags and timeout (seconds) stay where they are None.

    `reload` is a command that stands for rcctl(8) reload. It is judged by what follows, so that
    its exit statuses may be many (`reload_ok`) and its time short (`reload_seconds`). With
    `never_stopped`, which says why, a change of flags waits for the next start. `advice` says what
    to do about flags that others set, and `drop` that they may be taken away.
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

    def wanted(self, given_items: t.Any, context: Context) -> tuple[Service, ...]:
        services = tuple(_service(given(item)) for item in given_items)
        for service in services:
            # vmd(8) stops every VM with itself, so it has a resource type that never does that.
            if service.name == "vmd":
                raise DocumentError(
                    f"{context.name}: services: vmd would stop every VM where it is restarted; "
                    "use vm_conf"
                )
        return services

    def questions(self, want: tuple[Service, ...]) -> Questions:
        return merged(service_questions(service) for service in want)

    def facts(self, answer: Answer, want: tuple[Service, ...]) -> dict[str, ServiceFacts]:
        return {service.name: service_facts(service.name, answer) for service in want}

    def plan(
        self, want: tuple[Service, ...], facts: dict[str, ServiceFacts], out: Planning
    ) -> None:
        for service in want:
            plan_service(service, facts[service.name], out)

    def review(self, want: tuple[Service, ...], out: Planning) -> None:
        return


def _service(fields: dict[str, t.Any]) -> Service:
    foreign = fields.pop("foreign", None) or {}
    return Service(**fields, **foreign)


def merged(several: t.Iterable[Questions]) -> Questions:
    """Questions of several as one."""
    all_of_them: Questions = {}
    for part in several:
        for kind, asks in part.items():
            all_of_them.setdefault(kind, []).extend(asks)
    return all_of_them


def runfile(service: str) -> str:
    """Where rc.subr(8) keeps how a service was started, which holds until it is stopped."""
    return f"/var/run/rc.d/{service}"


def service_questions(service: Service) -> Questions:
    verbs = ("get", "check")
    runs = [{"name": f"{verb} {service.name}", "argv": rcctl(verb, service.name)} for verb in verbs]
    path = runfile(service.name)
    asked: list[t.Any] = questions() if service.advice else []
    if service.timeout is not None:
        asked += [{"path": "/var/run/rc.d", "hash": 0}, {"path": path, "read": 1}]
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


def plan_service(service: Service, facts: ServiceFacts, out: Planning) -> bool:
    """Enables, configures, starts or reloads, and sees that it lives; whether anything is done."""
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
    state = list(_state(service, facts, out, running=running))
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
    """A step that is left out where the service does not run by then."""
    return replace(step, fields={**step.fields, "service": service.name})


def _record_of_start(service: Service, facts: ServiceFacts, out: Planning) -> None:
    """Corrects the time limit with which a running service was started.

    A service is stopped with the settings that it was started with, which rc.subr(8) keeps in a
    file; rcctl(8) set changes those of its next start alone.
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
    if service.enabled and not facts.enabled:
        back = [undo(*rcctl("disable", name))]
        yield run(title, rcctl("enable", name), change=Change("enable", name), undo=back)
    if facts.enabled and not service.enabled:
        back = [undo(*rcctl("enable", name))]
        yield run(title, rcctl("disable", name), change=Change("disable", name), undo=back)
    if not service.enabled:
        return
    for variable, value in {"flags": service.flags, "timeout": service.timeout}.items():
        old = str(getattr(facts, variable))
        if value is None or str(value).split() == old.split():
            continue
        back = [undo(*rcctl("set", name, variable, *old.split()))] if facts.enabled else []
        yield run(
            title,
            rcctl("set", name, variable, *str(value).split()),
            change=Change("set", f"{variable} of {name}", f"to {value}"),
            undo=back,
        )


def _state(
    service: Service, facts: ServiceFacts, out: Planning, *, running: bool
) -> t.Iterator[Step]:
    name = service.name
    title = out.title(name)
    if not running:
        if not service.running and facts.running:
            if service.never_stopped:
                raise out.error(name, service.never_stopped)
            back = [undo(*rcctl("start", name))]
            yield run(title, rcctl("stop", name), change=Change("stop", name), undo=back)
        return
    if not facts.running:
        yield run(
            title,
            rcctl("start", name),
            change=Change("start", name),
            undo=[undo(*rcctl("stop", name))],
            undo_always=True,
            explain=LOG,
            timeout=SERVICE_SECONDS,
        )
        return
    how = service.on_change if out.files_changed else "nothing"
    new_flags = service.flags is not None and service.flags.split() != facts.flags.split()
    if new_flags and not service.never_stopped:
        how = "restart"
    if how == "nothing":
        return
    yield _read_again(service, how, out)


def _read_again(service: Service, how: str, out: Planning) -> Step:
    """Has a service that runs read its files: `how` is reload or restart."""
    name = service.name
    command, seconds = rcctl(how, name), SERVICE_SECONDS
    if how == "reload" and service.reload:
        command, seconds = [*service.reload], service.reload_seconds
    return run(
        out.title(name),
        command,
        change=Change(how, name, vms=NOBODYS, consequence=True),
        ok=list(service.reload_ok) if how == "reload" else [0],
        timeout=seconds,
        undo=[undo(*command, timeout=seconds), undo(*rcctl("start", name), ok=[0])],
        undo_always=True,
        explain=LOG,
    )
