# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Recorded refusals of configuration files, looked up by what the file holds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from sandbox.target.call import NotModelled

TRANSCRIPTS = Path(__file__).parent.parent / "transcripts.json"
_CHECK = re.compile(r"(vmd -n -f|dhcpd -n -c|httpd -n -f|pfctl -nf) (\S+)(; echo rc \$\?)?")
_RELOAD = "vmctl reload; echo rc $?"


class Refused(Exception):
    """What the real program says of a file, as it was recorded."""


class Recorded(NamedTuple):
    """``path`` is the name that the file had, which stands in what was said."""

    path: str
    text: str
    rc: int
    stderr: str


@cache
def _recorded(program: str) -> tuple[Recorded, ...]:
    rows = []
    for scenario in json.loads(TRANSCRIPTS.read_text())["scenarios"]:
        written: dict[str, str] = {}
        for step in scenario["steps"]:
            if "write" in step:
                written[step["write"]] = step["content"]
                continue
            # A daemon only says that it does not accept its own file.
            failed = "vmctl: command failed" in step["stderr"] and step["run"].endswith(_RELOAD)
            if failed and program == "vmd":
                rows.append(Recorded("/etc/vm.conf", written["/etc/vm.conf"], 1, ""))
            match = _CHECK.fullmatch(step["run"])
            if match and match[1].startswith(program) and match[2] in written:
                rc = int(step["stdout"].split()[-1]) if match[3] else step["rc"]
                rows.append(Recorded(match[2], written[match[2]], rc, step["stderr"]))
    return tuple(rows)


@contextmanager
def known(program: str, path: str, text: str) -> Iterator[None]:
    """Refused instead of NotModelled, where the whole file was seen to be refused."""
    try:
        yield
    except NotModelled:
        for row in _recorded(program):
            if row.text == text and row.rc:
                raise Refused(row.stderr.replace(row.path, path)) from None
        raise


def line(program: str, path: str, number: int, text: str) -> str:
    """What was said of a line like this one, with its place; empty where none was recorded."""
    for row in _recorded(program):
        said = re.findall(rf"^(.*{re.escape(row.path)}:(\d+): .*)$", row.stderr, re.MULTILINE)
        if not row.rc or len(said) != 1:
            continue
        message, place = (str(part) for part in said[0])
        if row.text.split("\n")[int(place) - 1].strip() == text.strip() != "":
            here = f"{path}:{number}:"
            return f"{message}\n".replace(f"{row.path}:{place}:", here)
    return ""
