# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""rc.conf(8) and rc.conf.local(8): a line parser, no shell, and how rcctl(8) edits the latter."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sandbox.files import Files
from sandbox.model import rc_scripts

DEFAULTS = "/etc/rc.conf"
LOCAL = "/etc/rc.conf.local"

BLANKS = " \t"
VARIABLES = ("execdir", "flags", "logger", "rtable", "timeout", "user")
_VARIABLE = re.compile(rf"_({'|'.join(VARIABLES)})$")
SPECIAL = ("accounting", "check_quotas", "ipsec", "library_aslr", "multicast", "pf", "spamd_black")
OTHER_KEYS = {
    "amd_master",
    "nfs_server",
    "pexp",
    "pkg_scripts",
    "shlib_dirs",
    "savecore_flags",
    *SPECIAL,
}


def parse(text: str) -> dict[str, str]:
    """The variables a file sets, unknown ones left out. Values end at `#` and lose outer quotes."""
    found = {}
    for line in (line.strip(BLANKS) for line in text.split("\n")):
        if "=" not in line or line[0] in "#=":
            continue
        key, _, value = line.partition("=")
        key = key.rstrip(BLANKS).lower()
        if not (_VARIABLE.search(key) or key in OTHER_KEYS):
            continue
        value = value.lstrip(BLANKS).partition("#")[0].rstrip(BLANKS)
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        found[key] = value
    return found


def effective(texts: Iterable[str]) -> dict[str, str]:
    """The variables after reading these files in order, with what rc.subr(8) derives from them."""
    values: dict[str, str] = {}
    for text in texts:
        values |= parse(text)
    if values.get("spamd_flags") == "NO" or values.get("spamd_black") != "NO":
        values["spamlogd_flags"] = "NO"
    if values.get("pf") == "NO":
        values["pflogd_flags"] = "NO"
    if values.get("nfs_server") == "YES":
        if values.get("nfsd_flags") == "NO":
            values["nfsd_flags"] = "-tun 4"
        if values.get("mountd_flags") == "NO":
            values["mountd_flags"] = ""
    return values


def read(files: Files) -> dict[str, str]:
    return effective(_text(files, path) for path in (DEFAULTS, LOCAL))


def defaults(files: Files) -> dict[str, str]:
    return effective([_text(files, DEFAULTS)])


def _text(files: Files, path: str) -> str:
    """The file's text; without a list of daemons in rc.conf(8), that of the base system."""
    text = files.read_text(path) if files.exists(path) else ""
    return rc_scripts.rc_conf() if path == DEFAULTS and "_flags" not in text else text


def edit(files: Files, drop: str, add: Iterable[str] = ()) -> None:
    """Take out the lines that match `drop` at their start, add others, sort all as rcctl(8) does.

    Lines are unique afterwards; an empty file is removed.
    """
    old = _text(files, LOCAL)
    lines = {line for line in old.splitlines() if not re.match(drop, line)} | set(add)
    new = "".join(f"{line}\n" for line in sorted(lines, key=lambda line: line.encode()))
    if not new:
        if files.exists(LOCAL):
            files.remove(LOCAL)
    elif new != old or not files.exists(LOCAL):
        temporary = f"{LOCAL}.new"
        files.write_text(temporary, new, mode=0o644, owner=(0, 0))
        files.rename(temporary, LOCAL)
