# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What owners are told about an upgrade, and what an operator sees of it."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime

from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.core import plan
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.core.journal import Journal
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.core.plan import (
    Checks,
    Do,
    Next,
    Request,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.core.seen import (
    Seen,
    UpgradeKernel,
)


def time_of(seconds: int) -> str:
    """Return a time for people, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def notice(due: int) -> str:
    """Return the line on /etc/motd."""
    return (
        f"from {time_of(due)} on this server is upgraded and restarted. VMs that run then are shut "
        "down and started again."
    )


def mail(server: str, due: int, vms: t.Iterable[str]) -> str:
    """Return the mail to an owner."""
    return (
        f"From {time_of(due)} on {server} is upgraded and restarted. Your VMs on it:\n\n"
        + "".join(f"    {name}\n" for name in vms)
        + "\nThose that run then are shut down and started again. Those that are stopped stay "
        "stopped.\n"
    )


def no_mail_to(owner: str) -> str:
    """Return why a mail would not arrive, "" if it would: lka_expand() of usr.sbin/smtpd."""
    if owner == owner.lower():
        return ""
    return (
        f"{owner}: smtpd(8) looks for an account in lower case, so a mail would be lost, or reach "
        "another owner"
    )


def foreseen(upcoming: Next, seen: Seen, request: Request, checks: Checks) -> t.Iterator[str]:
    """Yield what a run would do, in order: "would" goes before each."""
    if upcoming.do in (Do.NOTHING, Do.AWAIT):
        yield f"do nothing: {pause(upcoming.do, seen, request)}"
        return
    journal = seen.journal
    to = journal.to if journal and upcoming.do != Do.PREPARE else plan.goal(request, seen)
    todo = list(_ORDER[_ORDER.index(upcoming.do) :])
    if upcoming.do == Do.ANNOUNCE:
        yield "announce it to the owners on /etc/motd and by mail, and wait for that time"
    # VMs that were stopped for a boot that has to wait.
    again = plan.down(seen) if upcoming.do == Do.PREPARE and upcoming.resumes else []
    if again:
        yield f"start {', '.join(again)} until the boot"
    if Do.PREPARE in todo and to:
        yield f"fetch and verify OpenBSD {to} from {seen.mirror}: sysupgrade -n -R {to}"
    elif Do.PREPARE in todo:
        if upcoming.resumes and journal and (name := plan.doubtful(seen, journal)):
            yield f"revert {name}, which may be incomplete, to install it again: syspatch -r"
        yield f"install the errata {', '.join(checks.missing) or 'that are left'}: syspatch"
    if Do.STOP in todo:
        names = sorted({*seen.running, *again})
        yield f"stop at the same time {', '.join(names)}" if names else "stop no VM: none runs"
    if Do.REBOOT in todo:
        yield "reboot, and wait until the server is back"
    if Do.RETURN in todo:
        ran = sorted({*seen.running, *(journal.ran if journal else ())})
        yield f"start again {', '.join(ran)}" if ran else "start no VM"
        rest = sorted(seen.defined - set(ran))
        if rest:
            yield f"leave stopped {', '.join(rest)}"
    yield "compare the server with the fleet, and report"


_ORDER: t.Final = (Do.ANNOUNCE, Do.PREPARE, Do.STOP, Do.REBOOT, Do.RETURN, Do.FINISH)


def pause(do: Do, seen: Seen, request: Request) -> str:
    """Return why a run ends, or is about to end, without doing more."""
    if do == Do.AWAIT and seen.journal:
        return (
            f"announced for {time_of(seen.journal.due)}; run again then, or begin now with "
            "-e announce_hours=0"
        )
    if do == Do.FINISH:
        return "all that is left is to compare the server with the fleet"
    return f"OpenBSD {seen.release} with all errata is installed already"


def warnings(seen: Seen, machines: t.Iterable[Machine]) -> t.Iterator[str]:
    """Yield what may be lost although nothing goes wrong."""
    others = [vm.name for vm in machines if vm.name in seen.running and not vm.autoinstalled]
    if others:
        yield (
            f"{', '.join(others)}: vmd(8) cuts off a guest without vmmci(4) at once, and others "
            "than OpenBSD have none; shut such a guest down from inside before"
        )


def not_reverted(name: str, reason: str) -> str:
    """Return the error for an erratum that may be incomplete and was not reverted."""
    return (
        f"{reason}\n{name} may be installed only in part, and was not reverted. No VM was stopped; "
        f"run again to continue. If /var/syspatch/{name}/rollback.tgz is damaged, remove its "
        "directory on the server first: syspatch(8) then installs the erratum over what is there"
    )


def not_back(journal: Journal, lacks: str, seconds: int) -> str:
    """Return the error for a server that is not back in time, with what to try."""
    text = (
        f"the server is not back after {seconds // 60} min ({lacks}), so no other server is "
        "touched. Look at its console"
    )
    if journal.to:
        text += (
            ": an installer that waits at a question says why; 'boot /bsd' at the prompt of boot "
            "starts the kernel that is there"
        )
    ran = ", ".join(sorted(journal.ran))
    after = f"Once it boots, it starts these VMs itself: {ran}. " if ran else ""
    return f"{text}. {after}Run again to continue"


def old_release(seen: Seen) -> str:
    """Return the error for a server that has booted without being upgraded."""
    why = {
        UpgradeKernel.ABSENT: "/bsd.upgrade is gone, so the installer ran and did not finish",
        UpgradeKernel.READY: "/bsd.upgrade was not booted: boot(8) may have an /etc/boot.conf that "
        "names another kernel",
        UpgradeKernel.SPENT: "/bsd.upgrade was booted, and the installer did not finish",
    }[seen.upgrade_kernel]
    return (
        f"the upgrade to OpenBSD {seen.under_way.to} failed: the server came back with "
        f"{seen.release} ({why}). Its VMs run again. See root's mail and the console of its boot; "
        "run again to try again"
    )


def summary(seen: Seen, release_of_vms: str | None) -> t.Iterator[str]:
    """Yield what was done, and what remains to be done."""
    journal = seen.under_way
    patches = [name for name in seen.patches if name not in journal.patches]
    if journal.to:
        yield f"upgraded from OpenBSD {journal.release} to {seen.release}"
    elif patches:
        yield f"errata installed: {', '.join(patches)}"
    yield f"kernel {journal.kernel} before, {seen.kernel} now"
    if journal.linked and journal.kernel == seen.kernel:
        yield (
            "the kernel was linked again and has the same version: if one of the errata is of the "
            "kernel, run /usr/libexec/reorder_kernel on the server and reboot it"
        )
    ran = ", ".join(sorted(journal.ran))
    yield f"VMs that ran, and run again: {ran or 'none'}"
    if seen.leftovers:
        yield (
            f"sysmerge(8) left files to be merged by hand in {', '.join(seen.leftovers)}: run "
            "sysmerge on the server; what is not merged is lost with the next boot"
        )
    if journal.to:
        yield "run this playbook again without to: it installs the errata of the new release"
        if release_of_vms and release_of_vms != seen.release:
            yield (
                f"VMs are still installed from {release_of_vms}: set vmm_release to {seen.release} "
                "and run puffy.vmm.sets and puffy.vmm.site"
            )
        else:
            yield (
                f"new VMs are to be installed from {seen.release} now: run puffy.vmm.sets for its "
                "sets and puffy.vmm.site for the site sets"
            )
        yield "systems in VMs, and packages of your own on the server, have upgrades of their own"
