# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""How far installations are, by the lines that dhcpd(8) and httpd(8) log and by vmctl status."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import (
    Names,
    VmFacts,
    has_told,
    parse,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import (
    questions as vm_questions,
)

DAEMON_LOG: t.Final = "/var/log/daemon"
ACCESS_LOG: t.Final = "/var/www/logs/access.log"
LOGS: t.Final = (DAEMON_LOG, ACCESS_LOG)

BOOTS: t.Final = "boots the installer"
ADDRESS: t.Final = "has its address"
RESPONSE: t.Final = "has its response file"
SETS: t.Final = "fetches sets"

# What the installer prints in the end (distrib/miniroot/install.sub: finish_up, do_autoinstall).
_DONE: t.Final = "CONGRATULATIONS! Your OpenBSD install has been successfully completed!"
_GAVE_UP: t.Final = "failed; check /tmp/ai/ai.log"
# What its kernel prints at any end that was asked for (sys/kern/vfs_subr.c: vfs_shutdown).
_SHUT_DOWN: t.Final = "syncing disks..."
_CONSOLE_BYTES: t.Final = 8192
_TAIL_LINES: t.Final = 12

# vmd(8) starts, or a vCPU is taken away from a VM (usr.sbin/vmd/vm.c: vcpu_run_loop).
_VIOLENT = re.compile(r" vmd\[(?P<pid>[0-9]+)\]: (?P<what>startup$|vcpu_run_loop: )")
_REQUEST = re.compile(r'"GET (?P<path>[^ "?]+)[^"]*" (?P<code>[0-9]{3}) ')

Vm = t.Mapping[str, t.Any]


@dataclass(frozen=True)
class Progress:
    """How far one VM is: `stage` is one of the constants here, `detail` what was fetched last.

    `state` is vmctl's word for a VM that has a process, None for one that has none; `ran` says that
    it was seen to have one, `stopped` that somebody or something was seen ending it. `console` is
    the end of what was recorded of it, and `rests` for how many looks there has been no process.
    """

    stage: str = BOOTS
    detail: str = ""
    fetched: int = 0
    state: str | None = "running"
    ran: bool = False
    stopped: bool = False
    pid: int | None = None
    console: str = ""
    rests: int = 0

    @property
    def untouched(self) -> bool:
        """Whether nothing was seen of it yet."""
        return self.stage == BOOTS and not self.ran

    @property
    def done(self) -> bool:
        """Whether it ended since the installer was through: its console says so.

        Somebody else at the console takes parts of it away. So without that word it has to have
        fetched sets, nothing was seen ending it, and the kernel was not heard shutting down.
        """
        shut_down = _SHUT_DOWN in self.console
        return self.proven or (self.stage == SETS and not self.stopped and not shut_down)

    @property
    def proven(self) -> bool:
        """Whether its console says that the installer was through."""
        return _DONE in self.console

    @property
    def gave_up(self) -> bool:
        """Whether the installer says that it goes no further."""
        return _GAVE_UP in self.console and not self.proven

    @property
    def tail(self) -> str:
        """The last lines of the console as they may be shown on a terminal; empty if unknown."""
        text = "".join(x if x.isprintable() or x == "\n" else " " for x in self.console)
        lines = [line.rstrip() for line in text.splitlines() if line.strip()]
        return "\n".join(f"    {line}" for line in lines[-_TAIL_LINES:])

    def __str__(self) -> str:
        return f"{self.stage} ({self.detail})" if self.detail else self.stage


def log_sizes(answer: t.Mapping[str, t.Any]) -> dict[str, int]:
    """The sizes of the logs in bytes; 0 for one that is not there."""
    return {log: (answer["paths"].get(log) or {"size": 0})["size"] for log in LOGS}


class Watch:
    """Installations of one server. `begins` has, by the VM's name, the sizes of the logs then."""

    def __init__(self, vms: t.Sequence[Vm], begins: t.Mapping[str, t.Mapping[str, int]]) -> None:
        self._vms = vms
        self._begins = begins
        self._offsets = {
            log: min((begin.get(log, 0) for begin in begins.values()), default=0) for log in LOGS
        }
        self.progress = {vm["name"]: Progress() for vm in vms}
        self._recorded: set[str] = set()

    def questions(self) -> dict[str, t.Any]:
        """The probe request: how the VMs are, and what the logs have that was not seen yet."""
        request = vm_questions(self._vms)
        consoles = {vm["name"]: Names.of(vm).console for vm in self._vms}
        request["paths"] += [{"path": path, "hash": 0} for path in (*LOGS, *consoles.values())]
        for name in sorted(self._recorded):
            argv = [TOOLS["tail"], "-c", str(_CONSOLE_BYTES), consoles[name]]
            request["run"].append({"name": f"console {name}", "argv": argv})
        for log in LOGS:
            argv = [TOOLS["tail"], "-c", f"+{self._offsets[log] + 1}", log]
            request["run"].append({"name": log, "argv": argv})
        return request

    def feed(self, answer: t.Mapping[str, t.Any]) -> dict[str, VmFacts]:
        """Goes on with an answer to questions(); returns what is known of the VMs now.

        Raises Silent, and OperatorError where vmd(8) ended, and all VMs with it.
        """
        facts = parse(answer, self._vms)
        if not has_told(answer["run"]["status"]["stdout"]):
            raise OperatorError(
                "vmd does not run any more, so the installations ended; look into "
                "/var/log/daemon on the server, and run again to install anew"
            )
        sizes = log_sizes(answer)
        for log in LOGS:
            if sizes[log] < self._offsets[log]:
                # newsyslog(8) began a new file.
                self._offsets[log] = 0
                self._begins = {name: {**at, log: 0} for name, at in self._begins.items()}
                continue
            # A last line that is not whole yet is for the next time.
            text, newline, _rest = answer["run"][log]["stdout"].rpartition("\n")
            for vm in self._vms:
                begin = self._begins[vm["name"]].get(log, 0) - self._offsets[log]
                self._read(vm, log, text[max(begin, 0) :].splitlines())
            self._offsets[log] += len(text + newline)
        for vm in self._vms:
            self._look(vm, facts[vm["name"]], answer)
        return facts

    def is_recorded(self, name: str) -> bool:
        """Whether the server keeps what the console of the VM shows, or was asked to once."""
        return name in self._recorded

    def tried(self, name: str) -> None:
        self._recorded.add(name)

    def _look(self, vm: Vm, facts: VmFacts, answer: t.Mapping[str, t.Any]) -> None:
        name, status = vm["name"], facts.status
        now = self.progress[name]
        pid = status.pid if status else None
        state = status.state if status and pid is not None else None
        said = answer["run"].get(f"console {name}")
        if answer["paths"].get(Names.of(vm).console):
            self._recorded.add(name)
        self.progress[name] = replace(
            now,
            state=state,
            pid=pid or now.pid,
            ran=now.ran or state is not None,
            stopped=now.stopped or state == "stopping",
            console=said["stdout"] if said and said["rc"] == 0 else now.console,
            rests=0 if state is not None else now.rests + 1,
        )

    def _read(self, vm: Vm, log: str, lines: t.Iterable[str]) -> None:
        now = self.progress[vm["name"]]
        for line in lines:
            if log == ACCESS_LOG:
                now = _fetched(now, line, vm)
            elif violent := _VIOLENT.search(line):
                if violent["what"] == "startup" or int(violent["pid"]) == now.pid:
                    now = replace(now, stopped=True)
            elif now.stage == BOOTS and f"DHCPACK on {vm['ipv4']} to {vm['mac']} " in f"{line} ":
                now = replace(now, stage=ADDRESS)
        self.progress[vm["name"]] = now


def _fetched(now: Progress, line: str, vm: Vm) -> Progress:
    """A request that failed is shown, since the installer stops there."""
    request = _REQUEST.search(line)
    if not request or f" {vm['ipv4']} " not in f" {line}":
        return now
    name = request["path"].rpartition("/")[2]
    if request["code"] != "200":
        return replace(now, detail=f"{name}: {request['code']}")
    if name == f"{vm['mac']}-install.conf":
        return replace(now, stage=RESPONSE, detail="", fetched=0)
    count = now.fetched + 1
    return replace(now, stage=SETS, detail=f"{name}, {count} files", fetched=count)
