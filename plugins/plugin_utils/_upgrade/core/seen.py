# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a server shows of what its upgrade depends on."""

from __future__ import annotations

import base64
import re
import typing as t
from dataclasses import dataclass, field
from enum import StrEnum

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import read, stat
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import digest
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import facts, measures
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import VmFacts, VmStatus
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.core.journal import (
    JOURNAL,
    MARKER,
    NOTES,
    RAN,
    Journal,
)

UPGRADE_KERNEL: t.Final = "/bsd.upgrade"
ANSWERS: t.Final = "/auto_upgrade.conf"
MOTD: t.Final = "/etc/motd"
_KERNEL: t.Final = "/bsd"
_AUTOSTART: t.Final = "/etc/rc.vmm"
_INSTALLURL: t.Final = "/etc/installurl"
_DEFAULT_MIRROR: t.Final = "https://cdn.openbsd.org/pub/OpenBSD"
# rc(8) runs these once, and moves each out of the way meanwhile: run_upgrade_script() of etc/rc.
_ONCE: t.Final = tuple(
    f"/etc/rc.{name}{more}" for name in ("sysmerge", "firsttime") for more in ("", ".run")
)
# syspatch(8) counts an erratum as installed once its old files are kept in rollback.tgz.
_PATCHES: t.Final = "/var/syspatch"
_PATCH: t.Final = r"\A\d+-\d+_[\w-]+\z"
# A VM is paused or stopped for a backup, and is to run again: perl/jobs.pl.
_HOLD: t.Final = re.compile(r"backup-(.+)\.hold")
# sysmerge(8) leaves what it could not merge in /tmp/sysmerge.XXXXXXXXXX.
_MERGE: t.Final = re.compile(r"sysmerge\.\w{10}")
DIRECTORIES: t.Final = ("/", "/home", "/usr", "/var")


class UpgradeKernel(StrEnum):
    """/bsd.upgrade, which boot(8) boots once: it clears its x bits (sys/stand/boot/boot.c)."""

    ABSENT = "absent"
    READY = "ready"
    SPENT = "spent"


@dataclass(frozen=True)
class Seen:
    """A server at one moment.

    `journal_sha256`, `list_sha256` and `motd_sha256` are of those files as they were read, None
    if there is none; the list is RAN. `marked` says that it has not booted since the journal was
    begun. `answers` says that ANSWERS is there. `statuses` are all VMs that vmd(8) knows, `facts`
    those of the fleet, `defined` the names in vm.conf(5), `moving` those that go to another server,
    `held` those that a backup keeps from running. `patches` are the errata of the release that
    syspatch(8) can revert, the newest last. `once` are scripts that rc(8) has not finished,
    `leftovers` are sysmerge(8)'s. `free` has, by directory, where its file system is mounted and
    the bytes that are free there. `linked` changes when the kernel is linked again.
    `starts_listed` says that /etc/rc.vmm knows the list.
    """

    release: str
    kernel: str = ""
    machine: str = "amd64"
    journal: Journal | None = None
    journal_sha256: str | None = None
    marked: bool = False
    list_sha256: str | None = None
    upgrade_kernel: UpgradeKernel = UpgradeKernel.ABSENT
    answers: bool = False
    vmd: bool = True
    statuses: t.Mapping[str, VmStatus] = field(default_factory=dict)
    facts: t.Mapping[str, VmFacts] = field(default_factory=dict)
    defined: frozenset[str] = frozenset()
    moving: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    patches: tuple[str, ...] = ()
    once: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    free: t.Mapping[str, tuple[str, int]] = field(default_factory=dict)
    linked: str = ""
    starts_listed: bool = True
    motd: str = ""
    motd_sha256: str | None = None
    mirror: str = _DEFAULT_MIRROR

    @property
    def under_way(self) -> Journal:
        """The journal. Raises OperatorError if somebody removed it meanwhile."""
        if self.journal is None:
            raise OperatorError(
                f"{JOURNAL} is gone from the server, so nobody knows how far its upgrade is and "
                "which VMs ran; see which run, and run again"
            )
        return self.journal

    @property
    def running(self) -> tuple[str, ...]:
        """The VMs that have a process, by name."""
        return tuple(sorted(name for name, vm in self.statuses.items() if vm.pid is not None))

    @property
    def armed(self) -> bool:
        """Whether the next boot installs a release, without a question at the console."""
        return self.upgrade_kernel == UpgradeKernel.READY and self.answers

    @property
    def booted(self) -> bool:
        """Whether the server has booted since the upgrade began."""
        return self.journal is not None and not self.marked

    @property
    def installing(self) -> tuple[str, ...]:
        """The VMs that are being installed."""
        return tuple(name for name, vm in self.facts.items() if vm.under_way)


def questions(machines: t.Sequence[Machine]) -> dict[str, t.Any]:
    """Return what is asked of the server."""
    asks = facts.questions(machines)
    asks["paths"] += map(read, (JOURNAL, RAN, MOTD, _AUTOSTART, _INSTALLURL))
    asks["paths"] += map(stat, (MARKER, UPGRADE_KERNEL, ANSWERS, _KERNEL, *_ONCE))
    asks["list"] += [{"path": _PATCHES, "within": _PATCH, "hash": 0}]
    asks["list"] += [{"path": "/tmp"}, {"path": NOTES}]
    asks["run"] += [
        measures.kernel_question(),
        {"name": "machine", "argv": ["/usr/bin/uname", "-m"]},
        *measures.file_system_questions(DIRECTORIES),
    ]
    return asks


def parse(answer: t.Mapping[str, t.Any], machines: t.Sequence[Machine], release: str) -> Seen:
    """Read the answer to questions(). Raises OperatorError for what cannot be understood."""
    paths, run = answer["paths"], answer["run"]
    vms = facts.parse(answer, machines)
    systems = (measures.file_system(answer, directory) for directory in DIRECTORIES)
    prefix = f"{_PATCHES}/{release.replace('.', '')}-"
    kept = sorted(str(path) for path in paths if path.startswith(prefix))
    leftovers = sorted(filter(_MERGE.fullmatch, answer["list"].get("/tmp", ())))
    holds = map(_HOLD.fullmatch, answer["list"].get(NOTES, ()))
    raw = {path: base64.b64decode(text) for path, text in answer["read"].items()}
    return Seen(
        release=release,
        kernel=run["kernel"]["stdout"].strip(),
        machine=run["machine"]["stdout"].strip(),
        journal=Journal.parse(raw[JOURNAL]) if JOURNAL in raw else None,
        journal_sha256=digest(raw[JOURNAL]) if JOURNAL in raw else None,
        marked=paths.get(MARKER) is not None,
        list_sha256=digest(raw[RAN]) if RAN in raw else None,
        upgrade_kernel=_upgrade_kernel(paths.get(UPGRADE_KERNEL)),
        answers=paths.get(ANSWERS) is not None,
        vmd=run["check"]["rc"] == 0,
        statuses=facts.status_lines(run["status"]["stdout"]),
        facts=vms,
        defined=frozenset(vm.name for vm in facts.vm_conf(answer).vms),
        moving=tuple(vm.name for vm in machines if vm.moving),
        held=tuple(sorted(hold[1] for hold in holds if hold)),
        patches=tuple(path.split("/")[3] for path in kept if path.endswith("/rollback.tgz")),
        once=tuple(path for path in _ONCE if paths.get(path) is not None),
        leftovers=tuple(f"/tmp/{name}" for name in leftovers),
        free={system.directory: (system.mount, system.free) for system in systems if system},
        linked=str((paths.get(_KERNEL) or {"mtime": ""})["mtime"]),
        starts_listed=RAN in facts.text(answer, _AUTOSTART),
        motd=raw.get(MOTD, b"").decode(errors="surrogateescape"),
        motd_sha256=digest(raw[MOTD]) if MOTD in raw else None,
        mirror=_mirror(facts.text(answer, _INSTALLURL)),
    )


def _upgrade_kernel(path: t.Mapping[str, t.Any] | None) -> UpgradeKernel:
    if path is None:
        return UpgradeKernel.ABSENT
    return UpgradeKernel.READY if int(path["mode"], 8) & 0o100 else UpgradeKernel.SPENT


def _mirror(text: str) -> str:
    """Return the last line of installurl(5), as syspatch(8) and sysupgrade(8) read it."""
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    return ([line for line in lines if line] or [_DEFAULT_MIRROR])[-1]
