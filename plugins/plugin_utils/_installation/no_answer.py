# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Why a VM that was started may not answer on port 22, by what the server has seen of it."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.watch import (
    NO_REQUEST,
    Progress,
    its_console,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine

# What nc(1) says where something answers, but not on this port.
REFUSED: t.Final = "Connection refused"


def explain(vm: Machine, now: Progress, reason: str, seconds: int) -> str:
    """Return what was tried, what is known, what to do, and the end of the console.

    `reason` is nc(1)'s of the last attempt, empty if it gave none.
    """
    name = vm.name
    state = f"vmctl shows it as {now.state}" if now.state else "it does not run any more"
    lease = now.lease or NO_REQUEST
    said = f": {reason}" if reason else ""
    return (
        f"{name}: no answer on port 22 of {vm.ipv4} after {seconds} s{said} ({state}; {lease}). "
        f"{_advice(vm, now, reason)}{now.console_end}"
    )


def _advice(vm: Machine, now: Progress, reason: str) -> str:
    console = its_console(vm, now)
    see = f"See {console}"
    if now.state is None:
        return (
            "Look at what vmd(8) says of it in /var/log/daemon on the server, and run again to "
            "start it again."
        )
    if now.console.crashed:
        return (
            f"Its kernel has crashed. Look at {console}, cut its power (vmctl stop -f {vm.name}) "
            "and run again; if it crashes again, verb=reinstall installs it from the beginning."
        )
    if now.console.no_system:
        return (
            "Its disk has no system that boots. Check that the image is the right one; "
            "verb=reinstall installs it from the beginning."
        )
    if reason == REFUSED:
        text = "It is up, and sshd(8) does not answer in it, perhaps not yet."
        see = f"Log in at {console} and see 'rcctl check sshd' and /var/log/authlog"
    elif not now.lease:
        text = (
            "It is booting, or has no network: its interface must be on the switch (ifconfig on "
            "the server shows its tap(4) there), and hostname.vio0 in it must say 'inet autoconf'."
        )
    elif not now.has_address:
        text = (
            "It has asked for an address and has none: dhcpd.conf(5) must have its MAC "
            f"{vm.mac}, which puffy.vmm.site sees to, and dhcpd(8) must listen on the server's "
            "interface in the switch."
        )
    elif now.console.waits_for_login:
        text = (
            "It is up and has its address, so something drops the packets: pf(4) in it, or pf(4) "
            "on the server (pfctl -vsr -a puffy.vmm)."
        )
        see += f", and whether {vm.ipv4} is on vio0"
    else:
        text = "It has its address, and is still booting or has stopped at something."
    return f"{text} {see}; run again to wait again."
