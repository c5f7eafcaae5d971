# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Waits until VMs that were started answer on port 22, and says why one does not."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.verdict import shown
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.watch import Watch, log_sizes
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine

_ASK: t.Final = ("/usr/bin/nc", "-z", "-w", "2")
_LINE_SECONDS: t.Final = 15
# As much of the daemons' log as the starts of some VMs write, in bytes; what others write is more.
_LOG_BYTES: t.Final = 1 << 24


def wait_for_ssh(
    agent: Agent, vms: t.Sequence[Machine], seconds: int, say: t.Callable[[str], None]
) -> None:
    """Returns once all answer. Raises OperatorError after so many seconds; 0 does not wait."""
    left = {vm.name: vm for vm in vms} if seconds else {}
    begin = time.monotonic()
    said = begin
    while left:
        runs = [{"name": name, "argv": [*_ASK, vm.ipv4, "22"]} for name, vm in left.items()]
        answer = agent.look({"run": runs})
        now = time.monotonic()
        passed = int(now - begin)
        for name, result in answer["run"].items():
            if result["rc"] == 0:
                del left[name]
                say(f"  {name} answers on port 22 [{passed} s]")
        if not left:
            return
        if passed > seconds:
            raise OperatorError(_why(agent, list(left.values()), passed))
        if now - said >= _LINE_SECONDS:
            said = now
            say(f"  {', '.join(left)}: waiting for an answer on port 22 [{passed} s]")
        time.sleep(1)


def _why(agent: Agent, vms: t.Sequence[Machine], passed: int) -> str:
    """What the server knows of VMs that do not answer."""
    watch = Watch(vms, {})
    sizes = log_sizes(agent.look({**watch.questions(), "log": []}))
    begins = {log: max(size - _LOG_BYTES, 0) for log, size in sizes.items()}
    watch = Watch(vms, {vm.name: begins for vm in vms})
    # The first look shows whose consoles were recorded, the second what they said.
    for _look in range(2):
        watch.feed(agent.look(watch.questions()))
    texts = []
    for vm in vms:
        name, now = vm.name, watch.progress[vm.name]
        state = f"vmctl shows it as {now.state}" if now.state else "it does not run any more"
        lease = now.lease or "dhcpd(8) has logged nothing of it, so it has not asked for an address"
        texts.append(
            f"{name}: no answer on port 22 after {passed} s ({state}; {lease}). See its console "
            f"(as root on the server: vmctl console {name}), whether {vm.ipv4} is up in it and "
            "sshd(8) runs, and whether pf(4) lets port 22 pass; run again to wait again"
            f"{shown(now)}"
        )
    return "\n".join(texts)
