# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Steps of an upgrade on the server, for one transaction each.

Every program has a time limit, and what the server shows afterwards decides whether it succeeded.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    Change,
    Step,
    change_of,
    digest,
    run,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._life import steps as life
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import PENDING_FILE
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.notes import remove, write
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.core.journal import (
    JOURNAL,
    MARKER,
    RAN,
    Journal,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.core.seen import MOTD, Seen
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.motd import with_notice

TITLE: t.Final = "upgrade"
# For a slow mirror, or a slow disk on which the kernel is linked.
_TOOL_SECONDS: t.Final = 7200
# How long reorder_kernel of the last boot may take, which syspatch(8) refuses to disturb.
_LINK_SECONDS: t.Final = 900
_ANY: t.Final[list[int]] = []


def note(seen: Seen, journal: Journal) -> t.Iterator[Step]:
    """Write the journal, provided that it is still the one that was seen."""
    yield from write(f"{TITLE}: {journal.phase}", JOURNAL, seen.journal_sha256, bytes(journal))


def mail(owner: str, text: str) -> t.Iterator[Step]:
    """Send a mail to an owner's account on the server."""
    argv = ["/usr/bin/mail", "-s", "Your VMs will be restarted", owner]
    yield run(f"{TITLE}: mail to {owner}", argv, Change("mail", owner), input=text, timeout=30)


def announce(seen: Seen, journal: Journal, notice: str) -> t.Iterator[Step]:
    """Announce to the owners on /etc/motd when it begins, and note that this was done."""
    yield from _motd(seen, notice)
    yield from note(seen, journal)


def _motd(seen: Seen, notice: str) -> t.Iterator[Step]:
    text = with_notice(seen.motd, notice)
    if text == seen.motd:
        return
    content = text.encode(errors="surrogateescape")
    fields: dict[str, t.Any] = {"path": MOTD, "before": [seen.motd_sha256]}
    attributes = {"owner": "root", "group": "wheel", "mode": "0664"}
    yield Step("stage", f"{TITLE}: {MOTD}", {**fields, **attributes}, content=content)
    change = Change("change", MOTD)
    yield Step("commit", f"{TITLE}: {MOTD}", {**fields, "sha256": digest(content)}, change=change)


def begin(seen: Seen, journal: Journal) -> t.Iterator[Step]:
    """Write the journal, and the marker that the next boot removes."""
    yield from note(seen, journal)
    yield run(f"{TITLE}: {MARKER}", ["/usr/bin/touch", MARKER])


def patch() -> t.Iterator[Step]:
    """Install errata."""
    yield _linked()
    # 2: there are none, or syspatch(8) installed a newer syspatch(8) and has to run again.
    yield _tool("syspatch", ok=[0, 2])


def revert(name: str) -> t.Iterator[Step]:
    """Remove the newest erratum, which has this name."""
    yield _linked()
    yield _tool("syspatch", "-r", detail=f"to revert {name}, which may be incomplete")


def _linked() -> Step:
    # As syspatch(8) looks for it, but whoever else gives a process this name is not waited for.
    wait = ["/usr/bin/pgrep", "-u", "root", "-xf", "/bin/ksh .*reorder_kernel"]
    fields = {"argv": wait, "ok": [1], "seconds": _LINK_SECONDS, "timeout": 20}
    return Step("wait", f"{TITLE}: the kernel is still being linked since the last boot", fields)


def fetch_release(to: str) -> t.Iterator[Step]:
    """Fetch and verify the sets of a release, and have the next boot install them."""
    yield _tool("sysupgrade", "-n", "-R", to)


def _tool(name: str, *words: str, ok: t.Sequence[int] = (0,), detail: str = "") -> Step:
    """Run what is never interrupted, not even when the connection is lost."""
    bounds = {"ok": list(ok), "timeout": _TOOL_SECONDS, "watched": 1, "outlives": 1}
    argv = [TOOLS[name], *words]
    change = Change("run", " ".join((name, *words)), detail)
    return run(f"{TITLE}: {name}(8)", argv, change, **bounds)


def hold(seen: Seen, journal: Journal) -> t.Iterator[Step]:
    """Note which VMs are to start again, for the next run and for the server's own boot."""
    yield from note(seen, journal)
    names = "".join(f"{name}\n" for name in sorted(journal.ran))
    yield from write(f"{TITLE}: {RAN}", RAN, seen.list_sha256, names.encode())


def stop(names: t.Sequence[str]) -> t.Iterator[Step]:
    """Have all of them shut down at the same time, and wait until they have."""
    for alike in zip(*(life.stop(name) for name in names), strict=True):
        yield from alike


def reboot() -> t.Iterator[Step]:
    """Reboot the server; shutdown(8) goes into the background, so an answer still comes."""
    argv = ["/sbin/shutdown", "-r", "now"]
    yield run(f"{TITLE}: reboot", argv, Change("reboot", "the server"), timeout=30)


def start(name: str) -> t.Iterator[Step]:
    """Start a VM; wait first for one that is still shutting down."""
    settled = rf"\A[ ]*ID[ ](?!.*[ ]stopping[ ]+{re.escape(name)}$)"
    yield life.shows(f"{name}: is still shutting down", settled, life.STOP_SECONDS)
    argv = [TOOLS["vmctl"], "start", name]
    yield run(f"{name}: start", argv, change_of(name, "start", name), ok=_ANY, timeout=60)
    yield life.shows(f"{name}: does not run", life.runs(name), 60)


def started(seen: Seen, journal: Journal) -> t.Iterator[Step]:
    """Note that the boot is complete: no VM runs with an older definition any more."""
    yield remove(f"{TITLE}: {PENDING_FILE}", PENDING_FILE)
    yield from note(seen, journal)


def resume(seen: Seen, journal: Journal) -> t.Iterator[Step]:
    """Note that the boot for which VMs were stopped does not come."""
    yield remove(f"{TITLE}: {RAN}", RAN)
    yield from note(seen, journal)


def finish(seen: Seen) -> t.Iterator[Step]:
    """Remove everything that an upgrade leaves on the server."""
    yield from _motd(seen, "")
    fields = {"path": JOURNAL, "before": [seen.journal_sha256], "sensitive": True}
    yield remove(f"{TITLE}: {RAN}", RAN, MARKER)
    yield Step("remove", f"{TITLE}: finished", fields)
