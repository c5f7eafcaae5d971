# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""rc.conf(8), rc.conf.local(8), the scripts of rc.d(8), and how rcctl(8) edits its file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.target.files import Files

DEFAULTS, LOCAL = "/etc/rc.conf", "/etc/rc.conf.local"
VARIABLES = ("class", "execdir", "flags", "logger", "rtable", "timeout", "user")


@dataclass(frozen=True)
class Script:
    """What an rc.d script says of its daemon; `flags` are its own default."""

    name: str
    on: bool = False
    flags: str = ""
    reload: bool = True
    user_check: bool = True


# The daemons that anything here starts, and those that run on a fresh server.
SCRIPTS = {
    script.name: script
    for script in (
        Script("cron", on=True),
        Script("dhcpd", reload=False),
        Script("dhcpleased", on=True, reload=False),
        Script("httpd"),
        Script("nsd", flags="-c /var/nsd/etc/nsd.conf", user_check=False),
        Script("ntpd", on=True, reload=False),
        Script("pflogd", on=True),
        Script("resolvd", on=True, reload=False),
        Script("sensorsd"),
        Script("slaacd", on=True, reload=False),
        Script("smtpd", on=True, reload=False),
        Script("sndiod", on=True),
        Script("sshd", on=True),
        Script("syslogd", on=True),
        Script("vmd"),
    )
}
SPECIAL = ("pf",)
_KNOWN = re.compile(rf"\w+_({'|'.join(VARIABLES)})|pkg_scripts|library_aslr|pf")


def defaults_text() -> str:
    """/etc/rc.conf as the system brings it."""
    lines = [f"{name}_flags={'' if script.on else 'NO'}\n" for name, script in SCRIPTS.items()]
    return "".join([*lines, "library_aslr=YES\n", "pf=YES\n", "pkg_scripts=\n"])


def parse(text: str) -> dict[str, str]:
    """The variables a file sets. Values end at `#` and lose outer quotes."""
    values = {}
    for line in text.split("\n"):
        key, equals, value = line.strip(" \t").partition("=")
        if equals and _KNOWN.fullmatch(key.rstrip()):
            value = value.partition("#")[0].strip(" \t")
            if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
                value = value[1:-1]
            values[key.rstrip()] = value
    return values


def read(files: Files) -> dict[str, str]:
    texts = [files.read_text(path) for path in (DEFAULTS, LOCAL) if files.exists(path)]
    return {key: value for text in texts for key, value in parse(text).items()}


def edit(files: Files, drop: str, add: Iterable[str] = ()) -> None:
    """Take out the lines that match `drop` at their start, add others, sort all as rcctl(8) does.

    Lines are unique afterwards; an empty file is removed.
    """
    old = files.read_text(LOCAL) if files.exists(LOCAL) else ""
    lines = {line for line in old.splitlines() if not re.match(drop, line)} | set(add)
    new = "".join(f"{line}\n" for line in sorted(lines, key=lambda line: line.encode()))
    if new:
        files.write_text(f"{LOCAL}.new", new, mode=0o644, owner=(0, 0))
        files.rename(f"{LOCAL}.new", LOCAL)
    elif files.exists(LOCAL):
        files.remove(LOCAL)
