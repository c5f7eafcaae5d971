# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The file on the server that says how far the installation of a VM is.

It is the vm.conf(5) that vmd(8) loads for it, below a comment. As long as it is there, every run
on the server leaves this VM's response file alone and the VM out of vm.conf. Another file replaces
it once the image has its name, until the VM has answered.
"""

from __future__ import annotations

import os
import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import digest

# Only these reach the comment: vmd(8) joins a line that ends in a backslash to the next.
_UNSAFE = re.compile(r"[^A-Za-z0-9 @._:,-]")
_SIZE = re.compile(r"^# (?P<path>/\S+) had (?P<size>[0-9]+) bytes$", re.MULTILINE)
INSTALLED: t.Final = b"# installed, and has not answered yet; written by puffy.vmm\n"
_BEGUN: t.Final = "# installs; written by puffy.vmm for"
_INIT: t.Final = 1
_PROCESS: t.Final = re.compile(r"(?P<who>.+), process (?P<pid>[0-9]+)")


@dataclass(frozen=True)
class Marker:
    """`offsets` are the sizes in bytes that logs had at the start; `sha256` is the file's.

    `by` is the run that wrote it: who, where, which process.
    """

    offsets: t.Mapping[str, int] = field(default_factory=dict)
    sha256: str | None = None
    by: str = ""

    @classmethod
    def parse(cls, content: bytes) -> Marker:
        text = content.decode("latin-1")
        sizes = {match["path"]: int(match["size"]) for match in _SIZE.finditer(text)}
        first = text.partition("\n")[0]
        by = first.removeprefix(f"{_BEGUN} ") if first.startswith(f"{_BEGUN} ") else ""
        return cls(sizes, digest(content), by)


def begun(by: str, offsets: t.Mapping[str, int], conf: bytes = b"") -> bytes:
    """Return the file of an installation that begins; `conf` is what vmd(8) is to load."""
    lines = [f"{_BEGUN} {_UNSAFE.sub('_', by)}"]
    lines += [f"# {path} had {size} bytes" for path, size in offsets.items()]
    return "".join(f"{line}\n" for line in lines).encode("ascii") + conf


def alive(by: str, own: str) -> bool:
    """Return whether the run that wrote a note still works.

    `own` names this run: only processes of the same machine can be compared.
    """
    writer, this = _PROCESS.fullmatch(by), _PROCESS.fullmatch(_UNSAFE.sub("_", own))
    if not writer or not this or writer["who"] != this["who"]:
        return False
    # init(8) takes over what a killed run leaves.
    if int(writer["pid"]) == _INIT:
        return False
    try:
        os.kill(int(writer["pid"]), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
