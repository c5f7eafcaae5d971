# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""How far installations are, by their consoles, the logs of dhcpd(8) and httpd(8), and vmctl."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.puffy.vmm.plugins.module_utils._formats.console import Console
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError, shown_text
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import stat
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import (
    VmFacts,
    has_answered,
    parse,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import (
    questions as vm_questions,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.sets import Sets

DAEMON_LOG: t.Final = "/var/log/daemon"
ACCESS_LOG: t.Final = "/var/www/logs/access.log"
LOGS: t.Final = (DAEMON_LOG, ACCESS_LOG)

BOOTS: t.Final = "boots the installer"
ADDRESS: t.Final = "has its address"
RESPONSE: t.Final = "has its response file"
SETS: t.Final = "fetches sets"
UNPACKS: t.Final = "unpacks sets"
FINISHES: t.Final = "makes its new system ready"
# Stages in which the installer runs and its console shows sets.
_WITH_CONSOLE: t.Final = (RESPONSE, SETS, UNPACKS, FINISHES)
# What comes next in each stage.
_NEXT: t.Final[t.Mapping[str, str]] = {
    BOOTS: "its request for an address",
    ADDRESS: "its request for the response file",
    RESPONSE: "its request for the first set",
    SETS: "the next set",
    UNPACKS: "the next set",
    FINISHES: "the installer's reboot",
}

# For when dhcpd(8) said nothing. What a VM sent that did not arrive is not known.
NO_REQUEST: t.Final = (
    "dhcpd(8) has logged nothing of it, so no request for an address reached the server"
)

_CONSOLE_BYTES: t.Final = 8192
# The last step of install.site asks for a file with this query.
CALL_HOME: t.Final = "installed"

# vmd(8) starts, or a vCPU is taken away from a VM (usr.sbin/vmd/vm.c: vcpu_run_loop).
_VIOLENT = re.compile(r" vmd\[(?P<pid>[0-9]+)\]: (?P<what>startup$|vcpu_run_loop: )")
_OF_VMD: t.Final = ("]: startup", "]: vcpu_run_loop: ")
# syslogd(8) writes either kind of time; dhcpd(8) also names clients that it does not know.
_DHCP = re.compile(
    r"^(?P<at>[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}|[0-9]{4}-\S+) \S+ "
    r"dhcpd\[[0-9]+\]: (?P<text>.*)$"
)
# A line of httpd(8), `log style common`, as of 7.8: usr.sbin/httpd/server_http.c.
_REQUEST = re.compile(
    r'^\S+ (?P<client>\S+) \S+ \S+ \[[^]]*\] "GET (?P<path>[^ "?]+)(?:\?(?P<query>[^ "]*))?[^"]*" '
    r"(?P<code>[0-9]{3}) (?P<bytes>[0-9]+)"
)


@dataclass(frozen=True)
class Progress:
    """How far one VM is: `stage` is one of the constants here, `detail` what was fetched last.

    `written` are the bytes of the new image, which is `blank` before the installer touched it.
    `state` is vmctl's word for a VM that has a process, None for one that has none; `ran` says that
    it was seen to have one, `stopped` that somebody or something was seen ending it, `absent_looks`
    for how many looks there has been no process. `recorded` is the size in bytes of the record of
    its console, None if there is none. `lease` is what dhcpd(8) said last, and `has_address` that
    this gave it its address. Only the log has that: dhcpd.leases(5) has no addresses that
    dhcpd.conf(5) fixes (usr.sbin/dhcpd/dhcp.c, ack_lease: STATIC_LEASE).
    """

    stage: str = BOOTS
    detail: str = ""
    sets: Sets = field(default_factory=Sets)
    written: int = 0
    blank: bool = True
    state: str | None = "running"
    ran: bool = False
    stopped: bool = False
    pid: int | None = None
    console: Console = field(default_factory=Console)
    recorded: int | None = None
    absent_looks: int = 0
    lease: str = ""
    has_address: bool = False
    called_home: bool = False

    @property
    def untouched(self) -> bool:
        """Whether nothing was seen of it yet."""
        return self.stage == BOOTS and not self.ran and not self.recorded

    @property
    def proven(self) -> bool:
        """Whether it is proven that the installer came to its end.

        A call only counts where the console was not recorded, since it comes before the kernel
        writes out the file systems, which the installer mounts asynchronously.
        """
        return self.console.done or (self.called_home and not self.recorded)

    def __str__(self) -> str:
        return f"{self.stage} ({self.detail})" if self.detail else self.stage

    @property
    def console_end(self) -> str:
        """The end of the console, for the end of a message."""
        if self.console.tail:
            return f"\nIts console ended with\n{self.console.tail}"
        return "\nNothing was recorded of its console."

    @property
    def known(self) -> str:
        """The file, how far the sets are, and how large the image is."""
        parts = [self.detail, "" if self.stage == FINISHES else self.sets.shown]
        if self.written and not self.blank:
            parts.append(f"image {self.written >> 20} MiB")
        return ", ".join(part for part in parts if part)

    @property
    def waits_for(self) -> str:
        """What comes next, as far as it goes well."""
        meter = self.sets.current
        if self.stage in (SETS, UNPACKS) and meter and str(meter) == self.detail != meter.name:
            return f"the rest of {meter.name}"
        return _NEXT[self.stage]


def its_console(vm: Machine, now: Progress) -> str:
    """Return how root opens a VM's console; a recorder of it would take some of the output."""
    end = "" if now.recorded is None else f"rm {vm.console}, which ends its recording, and then "
    return f"its console (as root on the server: {end}vmctl console {vm.name})"


def log_sizes(answer: t.Mapping[str, t.Any]) -> dict[str, int]:
    """Return the sizes of the logs in bytes; 0 for one that is not there."""
    return {log: (answer["paths"].get(log) or {"size": 0})["size"] for log in LOGS}


class Watch:
    """Installations of one server.

    `begins` has, by the VM's name, the sizes of the logs then, and `sets` the paths of the sets
    that it fetches, where the server has them.
    """

    def __init__(
        self,
        vms: t.Sequence[Machine],
        begins: t.Mapping[str, t.Mapping[str, int]],
        sets: t.Mapping[str, t.Sequence[str]] | None = None,
    ) -> None:
        self._vms = vms
        self._sets = dict(sets or {})
        self._begins = dict(begins)
        self._offsets = {
            log: min((begin.get(log, 0) for begin in begins.values()), default=0) for log in LOGS
        }
        self._inodes: dict[str, int] = {}
        self.progress = {vm.name: Progress() for vm in vms}

    def questions(self) -> dict[str, t.Any]:
        """Return the probe request: how the VMs are, their consoles, and new lines of logs."""
        request = vm_questions(self._vms)
        sets = {path for paths in self._sets.values() for path in paths}
        request["paths"] += map(stat, (*LOGS, *sorted(sets)))
        for vm in self._vms:
            request["paths"].append(stat(vm.console))
            if self.progress[vm.name].recorded:
                argv = [TOOLS["tail"], "-c", str(_CONSOLE_BYTES), vm.console]
                request["run"].append({"name": f"console {vm.name}", "argv": argv})
        match = {
            DAEMON_LOG: [*_OF_VMD, *(f" {vm.mac}" for vm in self._vms)],
            ACCESS_LOG: [f" {vm.ipv4} " for vm in self._vms],
        }
        request["log"] = [
            {"path": log, "offset": offset, "inode": self._inodes.get(log), "match": match[log]}
            for log, offset in self._offsets.items()
        ]
        return request

    def feed(self, answer: t.Mapping[str, t.Any]) -> dict[str, VmFacts]:
        """Read an answer to questions(); return what is known of the VMs now.

        Raises Silent, and OperatorError if vmd(8) ended, and all VMs with it.
        """
        facts = parse(answer, self._vms)
        if not has_answered(answer["run"]["status"]["stdout"]):
            raise OperatorError(
                "vmd does not run any more, so the installations ended; look into "
                "/var/log/daemon on the server, and run again to install again"
            )
        for log in LOGS:
            if (news := answer["log"].get(log)) is None:
                continue
            if news["other"]:
                # newsyslog(8) began a new file.
                self._begins = {name: {**at, log: 0} for name, at in self._begins.items()}
            self._offsets[log], self._inodes[log] = news["offset"], news["inode"]
            for offset, line in news["lines"]:
                for vm in self._vms:
                    if offset >= self._begins[vm.name].get(log, 0):
                        self._read(vm, log, line)
        for vm in self._vms:
            self._look(vm, facts[vm.name], answer)
        return facts

    def catch_up(self, look: t.Callable[[dict[str, t.Any]], t.Mapping[str, t.Any]]) -> Watch:
        """Read what happened while nobody watched; `look` gives the answer to questions().

        The first look shows whose consoles were recorded, the second what they said.
        """
        for _look in range(2):
            self.feed(look(self.questions()))
        return self

    def begin_again(self, name: str) -> dict[str, int]:
        """Forget what was seen of a VM that is started once more; return where logs are now."""
        self._begins[name] = dict(self._offsets)
        self.progress[name] = Progress(sets=Sets(total=self.progress[name].sets.total))
        return dict(self._offsets)

    def _look(self, vm: Machine, facts: VmFacts, answer: t.Mapping[str, t.Any]) -> None:
        name, status = vm.name, facts.status
        now = self.progress[name]
        pid = status.pid if status else None
        state = status.state if status and pid is not None else None
        said = answer["run"].get(f"console {name}")
        record = answer["paths"].get(vm.console)
        console = Console(said["stdout"]) if said and said["rc"] == 0 else now.console
        sets = now.sets
        if paths := self._sets.pop(name, ()):
            files = (answer["paths"].get(path) for path in paths)
            sets = replace(sets, total=sum(facts["size"] for facts in files if facts))
        if said and now.stage in _WITH_CONSOLE:
            sets = sets.read(console.meters)
        stage, detail = _by_console(now, console)
        self.progress[name] = replace(
            now,
            stage=stage,
            detail=detail,
            sets=sets,
            state=state,
            pid=pid or now.pid,
            ran=now.ran or state is not None,
            stopped=now.stopped or state == "stopping",
            console=console,
            recorded=record["size"] if record else None,
            absent_looks=0 if state is not None else now.absent_looks + 1,
            written=facts.written,
            blank=facts.installing != "data",
        )

    def _read(self, vm: Machine, log: str, line: str) -> None:
        now = self.progress[vm.name]
        if log == ACCESS_LOG:
            now = _fetched(now, line, vm)
        elif violent := _VIOLENT.search(line):
            if violent["what"] == "startup" or int(violent["pid"]) == now.pid:
                now = replace(now, stopped=True)
        elif (dhcp := _DHCP.search(line)) and f" {vm.mac} " in f"{line} ":
            acked = dhcp["text"].startswith(f"DHCPACK on {vm.ipv4} to {vm.mac}")
            said = f"dhcpd(8) said last, at {dhcp['at']}: {shown_text(dhcp['text'])}"
            now = replace(now, lease=said, has_address=acked)
            if acked and now.stage == BOOTS:
                now = replace(now, stage=ADDRESS)
        self.progress[vm.name] = now


def _fetched(now: Progress, line: str, vm: Machine) -> Progress:
    """Add a request of the VM. One that failed is shown, since the installer stops there."""
    request = _REQUEST.match(line)
    if not request or request["client"] != vm.ipv4:
        return now
    name = shown_text(request["path"].rpartition("/")[2])
    if request["code"] != "200":
        return replace(now, detail=f"{name}: {request['code']}")
    if name == f"{vm.mac}-install.conf":
        return replace(now, stage=RESPONSE, detail="", sets=Sets(total=now.sets.total))
    if request["query"] == CALL_HOME:
        return replace(now, called_home=True)
    sets = now.sets.fetch(name, int(request["bytes"]))
    return replace(now, stage=SETS, detail=name, sets=sets)


def _by_console(now: Progress, console: Console) -> tuple[str, str]:
    """Return stage and detail by what the console shows; the log of a mirror is not seen."""
    if now.stage not in _WITH_CONSOLE:
        return now.stage, now.detail
    if console.finishing:
        return FINISHES, ""
    meter = console.meters[-1] if console.meters else None
    if console.installing:
        return UNPACKS, str(meter) if meter and not meter.fetches else console.installing
    # The log's line on a complete set is newer than its meter.
    if meter and meter.fetches and (meter.percent < 100 or now.stage == RESPONSE):
        return SETS, str(meter)
    return now.stage, now.detail
