# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""How far installations are, by the lines that dhcpd(8) and httpd(8) log and by vmctl status."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.puffy.vmm.plugins.plugin_utils._action import Failure
from ansible_collections.puffy.vmm.plugins.plugin_utils._document import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._vm_facts import VmFacts, has_told, parse
from ansible_collections.puffy.vmm.plugins.plugin_utils._vm_facts import questions as vm_questions

DAEMON_LOG: t.Final = "/var/log/daemon"
ACCESS_LOG: t.Final = "/var/www/logs/access.log"
LOGS: t.Final = (DAEMON_LOG, ACCESS_LOG)

BOOTS: t.Final = "boots the installer"
ADDRESS: t.Final = "has its address"
RESPONSE: t.Final = "has its response file"
SETS: t.Final = "fetches sets"

_REQUEST = re.compile(r'"GET (?P<path>[^ "?]+)[^"]*" (?P<code>[0-9]{3}) ')

Vm = t.Mapping[str, t.Any]


@dataclass(frozen=True)
class Progress:
    """How far one VM is: `stage` is one of the constants here, `detail` what was fetched last.

    `state` is vmctl's word for a VM that has a process, None for one that has none; `ran` says that
    it was seen to have one, `asked` that vmd(8) was seen asking the guest to shut down.
    """

    stage: str = BOOTS
    detail: str = ""
    fetched: int = 0
    state: str | None = "running"
    ran: bool = False
    asked: bool = False

    @property
    def untouched(self) -> bool:
        """Whether nothing was seen of it yet."""
        return self.stage == BOOTS and not self.ran

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

    def questions(self) -> dict[str, t.Any]:
        """The probe request: how the VMs are, and what the logs have that was not seen yet."""
        request = vm_questions(self._vms)
        request["paths"] += [{"path": log, "hash": 0} for log in LOGS]
        for log in LOGS:
            argv = [TOOLS["tail"], "-c", f"+{self._offsets[log] + 1}", log]
            request["run"].append({"name": log, "argv": argv})
        return request

    def feed(self, answer: t.Mapping[str, t.Any]) -> dict[str, VmFacts]:
        """Goes on with an answer to questions(); returns what is known of the VMs now.

        Raises Silent, and Failure where vmd(8) ended, and all VMs with it.
        """
        facts = parse(answer, self._vms)
        if not has_told(answer["run"]["status"]["stdout"]):
            raise Failure(
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
        for name, now in self.progress.items():
            status = facts[name].status
            state = status.state if status and status.pid is not None else None
            ran, asked = now.ran or state is not None, now.asked or state == "stopping"
            self.progress[name] = replace(now, state=state, ran=ran, asked=asked)
        return facts

    def _read(self, vm: Vm, log: str, lines: t.Iterable[str]) -> None:
        now = self.progress[vm["name"]]
        for line in lines:
            if log == ACCESS_LOG:
                now = _fetched(now, line, vm)
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
