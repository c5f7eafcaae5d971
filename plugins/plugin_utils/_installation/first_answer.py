# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Waits until VMs that were started answer on port 22, and says why one does not."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError, shown_text
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.no_answer import explain
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.report import (
    LINE_SECONDS,
    Report,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.watch import Watch, log_sizes
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine

# With -v it says why it fails: usr.bin/nc/netcat.c, remote_connect().
_ASK: t.Final = ("/usr/bin/nc", "-v", "-z", "-w", "2")
_FAILED: t.Final = " failed: "
# Seconds between two lines on a VM with nothing new.
_STILL_SECONDS: t.Final = 60
# So many bytes of the daemons' log certainly have the starts of some VMs.
_LOG_BYTES: t.Final = 1 << 24


@dataclass
class _Shown:
    """The reason that the last line on a VM had, and when that was, in seconds."""

    reason: str = ""
    at: float = 0.0

    def is_due(self, reason: str, passed: float) -> bool:
        return passed - self.at >= (LINE_SECONDS if reason != self.reason else _STILL_SECONDS)


def questions(vms: t.Iterable[Machine]) -> list[dict[str, t.Any]]:
    """Return programs of a probe that exit with 0 where a VM answers, by its name."""
    return [{"name": vm.name, "argv": [*_ASK, vm.ipv4, "22"]} for vm in vms]


def wait_for_ssh(
    agent: Agent,
    vms: t.Sequence[Machine],
    seconds: int,
    report: Report,
    begins: t.Mapping[str, t.Mapping[str, int]],
) -> None:
    """Wait until all answer. Raises OperatorError after so many seconds; 0 does not wait.

    `begins` has the sizes of logs when a VM was started, for those that this run started.
    """
    left = {vm.name: vm for vm in vms} if seconds else {}
    lines = {name: _Shown() for name in left}
    begin = time.monotonic()
    while left:
        results = agent.look({"run": questions(left.values())})["run"]
        passed = time.monotonic() - begin
        reasons = {name: _reason(result) for name, result in results.items()}
        for name, result in results.items():
            if result["rc"] == 0:
                del left[name]
                report.step(name, "answers on port 22", passed)
            elif lines[name].is_due(reasons[name], passed):
                lines[name] = _Shown(reasons[name], passed)
                waits_for = "an answer on port 22"
                report.step(name, "starts", passed, known=reasons[name], waits_for=waits_for)
        if not left:
            return
        if passed > seconds:
            raise OperatorError(_why(agent, list(left.values()), reasons, int(passed), begins))
        time.sleep(1)


def _reason(result: t.Mapping[str, t.Any]) -> str:
    """Return why nc(1) failed, such as "Connection refused"; empty if it did not say."""
    return shown_text(result["stderr"].strip().rpartition(_FAILED)[2])


def _why(
    agent: Agent,
    vms: t.Sequence[Machine],
    reasons: t.Mapping[str, str],
    passed: int,
    begins: t.Mapping[str, t.Mapping[str, int]],
) -> str:
    """Return what the server knows of VMs that do not answer."""
    watch = Watch(vms, {})
    sizes = log_sizes(agent.look({**watch.questions(), "log": []}))
    recent = {log: max(size - _LOG_BYTES, 0) for log, size in sizes.items()}
    begins = {vm.name: begins.get(vm.name, recent) for vm in vms}
    watch = Watch(vms, begins).catch_up(agent.look)
    return "\n".join(explain(vm, watch.progress[vm.name], reasons[vm.name], passed) for vm in vms)
