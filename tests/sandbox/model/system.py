# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What the machine says of itself: uname(1), hostname(1), df(1), mount(8), logger(1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sandbox.call import Call, Handler, Result
from sandbox.options import OptionError, Options, getopt

if TYPE_CHECKING:
    from sandbox.machine import Machine

RELEASE, KERNEL, ARCHITECTURE = "7.8", "GENERIC#0", "amd64"
# Blocks of 1,024 bytes.
_DISK = {
    "device": "/dev/sd0a",
    "on": "/",
    "options": "local",
    "blocks": 1032160336,
    "used": 2240430,
    "available": 978311890,
}
_LOG_FILES = {"daemon": "daemon", "auth": "authlog", "authpriv": "secure", "mail": "maillog"}


def disks(machine: Machine) -> list[dict[str, Any]]:
    """The mounted file systems: device, on, options, and blocks, used, available (in 1 KB)."""
    found: list[dict[str, Any]] = machine.subsystem("disks").setdefault("mounted", [dict(_DISK)])
    return found


def uname(machine: Machine, call: Call) -> Result:
    usage = "usage: uname [-amnprsv]\n"
    try:
        options = getopt(call.argv[1:], "amnrsvp")
    except OptionError as error:
        return Result(1, "", f"uname: {error}\n{usage}")
    if options.operands:
        return Result(1, "", usage)
    values = {
        "s": "OpenBSD",
        "n": machine.hostname,
        "r": RELEASE,
        "v": KERNEL,
        "m": ARCHITECTURE,
    }
    wanted = "snrvm" if options.has("a") else "".join(one for one in "snrvm" if options.has(one))
    words = [values[one] for one in wanted or ("" if options.has("p") else "s")]
    if options.has("p") and not options.has("a"):
        words.append(ARCHITECTURE)
    return Result(stdout=" ".join(words) + "\n")


def hostname(machine: Machine, call: Call) -> Result:
    usage = "usage: hostname [-s] [name-of-host]\n"
    try:
        options = getopt(call.argv[1:], "s")
    except OptionError as error:
        return Result(1, "", f"hostname: {error}\n{usage}")
    if len(options.operands) > 1:
        return Result(1, "", usage)
    if options.operands:
        if call.uid != 0:
            return Result(1, "", "hostname: sethostname: Operation not permitted\n")
        machine.hostname = options.operands[0]
        machine.subsystem("system")["hostname"] = machine.hostname
        return Result()
    return Result(stdout=f"{machine.short_name if options.has('s') else machine.hostname}\n")


def df(machine: Machine, call: Call) -> Result:
    usage = "usage: df [-hiklnP] [-t type] [[file | file_system] ...]\n"
    try:
        options = getopt(call.argv[1:], "hiklnPt:")
    except OptionError as error:
        return Result(1, "", f"df: {error}\n{usage}")
    rows, said = disks(machine), ""
    if options.operands:
        chosen = []
        for path in options.operands:
            if not machine.files.exists(call.absolute(path)):
                said += f"df: {path}: No such file or directory\n"
                continue
            chosen.append(_disk_of(machine, call.absolute(path)))
        rows = chosen
    if not rows:
        return Result(1, "", said)
    return Result(1 if said else 0, _df_table(rows, options), said)


def mount(machine: Machine, call: Call) -> Result:
    """mount(8) without arguments; nothing can be mounted."""
    try:
        options = getopt(call.argv[1:], "AadfNo:rswt:uv")
    except OptionError as error:
        return Result(1, "", f"mount: {error}\n")
    if options.operands or any(options.has(one) for one in "Aau"):
        return Result(1, "", "mount: Operation not permitted\n")
    return Result(
        stdout="".join(
            f"{one['device']} on {one['on']} type ffs ({one['options']})\n"
            for one in disks(machine)
        )
    )


def logger(machine: Machine, call: Call) -> Result:
    usage = "usage: logger [-cis] [-f file] [-p pri] [-t tag] [message ...]\n"
    try:
        options = getopt(call.argv[1:], "cf:ip:st:")
    except OptionError as error:
        return Result(1, "", f"logger: {error}\n{usage}")
    priority = options.last("p", "user.notice") or ""
    facility, dot, level = priority.rpartition(".")
    if not re.fullmatch(r"emerg|alert|crit|err(or)?|warn(ing)?|notice|info|debug", level):
        return Result(1, "", f"logger: unknown priority name: {level}\n")
    tag = options.last("t") or call.user
    if options.operands:
        lines = [" ".join(options.operands)]
    elif path := options.last("f"):
        lines = machine.files.read_text(call.absolute(path)).splitlines()
    else:
        lines = call.stdin.decode("utf-8", "surrogateescape").splitlines()
    pid = machine.pid() if options.has("i") else None
    for line in lines:
        machine.log(tag, line, pid, _LOG_FILES.get(facility if dot else "user", "messages"))
    shown = "".join(f"{tag}: {line}\n" for line in lines) if options.has("s") else ""
    return Result(0, "", shown)


def _disk_of(machine: Machine, path: str) -> dict[str, Any]:
    """The file system that a path is on: the one with the longest mount point above it."""
    return max(
        (one for one in disks(machine) if f"{path}/".startswith(f"{one['on'].rstrip('/')}/")),
        key=lambda one: len(one["on"]),
    )


def _df_table(rows: list[dict[str, Any]], options: Options) -> str:
    width = max(len("Filesystem"), *(len(one["device"]) for one in rows)) + 1
    unit, size = ("1K-blocks", 1) if options.has("k") else ("512-blocks", 2)
    tail = " Capacity  Mounted on\n"
    if options.has("h"):
        text = f"{'Filesystem':<{width}}    Size    Used   Avail{tail}"
    else:
        text = f"{'Filesystem':<{width}} {unit:>9}      Used     Avail{tail}"
    for one in rows:
        numbers = [one["blocks"], one["used"], one["available"]]
        percent = round(100 * one["used"] / max(1, one["used"] + one["available"]))
        if options.has("h"):
            shown = " ".join(f"{_human(number):>7}" for number in numbers)
        else:
            shown = " ".join(
                f"{number * size:>{width_}}"
                for number, width_ in zip(numbers, (len(unit), 9, 9), strict=True)
            )
        text += f"{one['device']:<{width}} {shown} {percent:>5}%    {one['on']}\n"
    return text


def _human(kilobytes: int) -> str:
    """A size in 1 KB as fmt_scaled(3) shows it."""
    size, unit = float(kilobytes), "K"
    for bigger in "MGT":
        if size < 1024:
            break
        size, unit = size / 1024, bigger
    return f"{size:.1f}{unit}" if size < 100 else f"{size:.0f}{unit}"


COMMANDS: dict[str, Handler] = {
    "/usr/bin/uname": uname,
    "/bin/hostname": hostname,
    "/bin/df": df,
    "/sbin/mount": mount,
    "/usr/bin/logger": logger,
}
