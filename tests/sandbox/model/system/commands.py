# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What the machine says of itself, its log and mail, and MAKEDEV(8)."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from sandbox.target.call import Call, Handler, Result
from sandbox.target.options import getopt

from .signify import signify

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

_NAMES = {"s": "OpenBSD", "r": "7.8", "v": "GENERIC#0", "m": "amd64"}
# Blocks of 1,024 bytes.
_DISK = {"device": "/dev/sd0a", "blocks": 1032160336, "used": 2240430, "available": 978311890}
_TAP_MAJOR, _ALL_TAPS = 93, ("tap0", "tap1", "tap2", "tap3")
_LOG_FILES = {"daemon": "daemon", "auth": "authlog", "user": "messages"}


def uname(machine: Machine, call: Call) -> Result:
    options = getopt(call.argv[1:], "amnrsv")
    values = {**_NAMES, **machine.subsystem("release"), "n": machine.hostname}
    letters = [letter for letter in "snrvm" if options.has(letter) or options.has("a")] or ["s"]
    return Result(stdout=" ".join(values[letter] for letter in letters) + "\n")


def hostname(machine: Machine, call: Call) -> Result:
    options = getopt(call.argv[1:], "s")
    return Result(stdout=f"{machine.short_name if options.has('s') else machine.hostname}\n")


def df(machine: Machine, call: Call) -> Result:
    """df -k of one path; there is one file system."""
    (path,) = getopt(call.argv[1:], "k").operands
    if not machine.files.exists(path):
        return Result(1, "", f"df: {path}: No such file or directory\n")
    disk: dict[str, Any] = {**_DISK, **machine.subsystem("disk")}
    percent = round(100 * disk["used"] / (disk["used"] + disk["available"]))
    numbers = f"{disk['blocks']:>9} {disk['used']:>9} {disk['available']:>9} {percent:>5}%"
    return Result(
        stdout="Filesystem  1K-blocks      Used     Avail Capacity  Mounted on\n"
        f"{disk['device']:<11} {numbers}    /\n"
    )


def logger(machine: Machine, call: Call) -> Result:
    options = getopt(call.argv[1:], "t:p:")
    facility, _, _level = (options.last("p", "user.notice") or "").partition(".")
    text = " ".join(options.operands) or call.stdin.decode("utf-8", "surrogateescape").rstrip("\n")
    for line in text.splitlines():
        machine.log(options.last("t") or call.user, line, None, _LOG_FILES[facility])
    return Result()


def mail(machine: Machine, call: Call) -> Result:
    """A mail is appended to its recipient's file in /var/mail."""
    options = getopt(call.argv[1:], "r:s:")
    body = call.stdin.decode("utf-8", "replace")
    for to in options.operands:
        head = f"From: {options.last('r', call.user)}\nTo: {to}\nSubject: {options.last('s', '')}\n"
        machine.files.append_text(f"/var/mail/{to}", f"{head}\n{body}\n")
    return Result()


def makedev(machine: Machine, call: Call) -> Result:
    """It works in the caller's directory, and makes the nodes again (facts 8)."""
    out, files = "", machine.files
    names = [*_ALL_TAPS] if call.argv[1:] == ("all",) else call.argv[1:]
    for node in names:
        match = re.fullmatch(r"tap(\d+)", node)
        if match is None:
            out += f"{node}: unknown device\n"
            continue
        path = call.absolute(node)
        if call.uid != 0:
            return Result(0, out, f"mknod: {node}: Operation not permitted\n")
        if os.path.lexists(files.resolve(path, follow=False)):
            files.remove(path)
        files.mknod(path, 0o600, _TAP_MAJOR, int(match[1]))
    return Result(0, out)


def syspatch(machine: Machine, call: Call) -> Result:
    """The fault `errata` says what is on the mirror; 2: nothing to do (usr.sbin/syspatch)."""
    options, files, place = getopt(call.argv[1:], "cr"), machine.files, "/var/syspatch"
    names = sorted(files.listdir(place)) if files.exists(place) else []
    there = [name for name in names if files.exists(f"{place}/{name}/rollback.tgz")]
    missing = [name for (name,) in machine.faults.arguments("errata") if f"78-{name}" not in there]
    if options.has("c"):
        return Result(0, "".join(f"{name}\n" for name in missing))
    for name in there[-1:] if options.has("r") else set(names) - {*there}:
        files.remove(f"{place}/{name}")
    for name in [] if options.has("r") else missing:
        files.mkdir(f"{place}/78-{name}", parents=True)
        files.write_text(f"{place}/78-{name}/rollback.tgz", "")
        if name.endswith("_syspatch"):
            return Result(2, "", "syspatch: updated itself, run it again\n")
    return Result(0 if missing or options.has("r") else 2)


def sysupgrade(machine: Machine, call: Call) -> Result:
    """-n -R RELEASE: what the next boot finds (usr.sbin/sysupgrade)."""
    machine.files.write_text("/auto_upgrade.conf", "Location of sets = disk\n")
    machine.files.write_text("/bsd.upgrade", getopt(call.argv[1:], "nR:").last("R") or "", 0o700)
    return Result()


def shutdown(machine: Machine, call: Call) -> Result:
    """-r now, in the background: the test starts the machine again."""
    machine.later(machine.clock.speed / 2, machine.on_end)
    return Result()


COMMANDS: dict[str, Handler] = {
    "/usr/bin/pgrep": lambda machine, call: Result(1),
    "/usr/sbin/syspatch": syspatch,
    "/usr/sbin/sysupgrade": sysupgrade,
    "/sbin/shutdown": shutdown,
    "/usr/bin/uname": uname,
    "/bin/hostname": hostname,
    "/bin/df": df,
    "/usr/bin/logger": logger,
    "/usr/bin/mail": mail,
    "/usr/bin/signify": signify,
    "/dev/MAKEDEV": makedev,
}
