# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The programs of OpenBSD's base that run inside a server and need no model of the machine.

Some are small Perl programs of our own (inside/tools). Most are programs of the host behind a
script that takes OpenBSD's options, refuses all others with OpenBSD's words, and passes on what the
host's program has under the same or another name.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .tool_usages import USAGES

HERE = Path(__file__).parent
_INTERPRETER = "#!/usr/libexec/sandbox/perl\n"
_BIN = frozenset(
    "[ cat chgrp chmod cksum cp date dd du echo expr hostname kill ln ls md5 mkdir mv ps pwd rm"
    " rmdir sha1 sha256 sha512 sleep sync tar test".split()
)
_SBIN = frozenset("chown mknod nologin".split())

# Own programs: the file in inside/tools, and the names it goes by.
_OWN = {
    "b64": ("b64encode", "b64decode"),
    "date": ("date",),
    "digest": ("md5", "sha1", "sha256", "sha512", "cksum"),
    "du": ("du",),
    "encrypt": ("encrypt",),
    "find": ("find",),
    "ftp": ("ftp",),
    "install": ("install",),
    "jot": ("jot",),
    "ls": ("ls",),
    "mktemp": ("mktemp",),
    "nologin": ("nologin",),
    "readlink": ("readlink", "realpath"),
    "signify": ("signify",),
    "stat": ("stat",),
    "tail": ("tail",),
    "tar": ("tar",),
    "timeout": ("timeout",),
    "wc": ("wc",),
    "which": ("which",),
}
# Programs of the host as they are: no options, or their own syntax, or the same software.
_PLAIN = (
    "[", "basename", "dd", "dirname", "echo", "expr", "false", "kill", "nohup", "od", "openssl",
    "printenv", "printf", "pwd", "seq", "ssh-keygen", "sync", "test", "true", "tsort", "tty",
)  # fmt: skip
# These tell trouble from a difference or a line that is not there.
_USAGE_ERROR_2 = frozenset("cmp diff grep sort".split())
_LETTERS_BESIDES = {
    "chgrp": "HLPRhfx",
    "egrep": "abcEFGHhIiLlnoqRsUVvwxA:B:C::e:f:m:",
    "fgrep": "abcEFGHhIiLlnoqRsUVvwxA:B:C::e:f:m:",
    "grep": "abcEFGHhIiLlnoqRsUVvwxZA:B:C::e:f:m:",
    "gunzip": "cfhkLlNnqrtVvo:",
    "join": "1:2:a:e:o:t:v:",
    "nice": "n:",
    "sort": "bCcdfgHhik:Mmno:RrS:sT:t:uVz",
    "zcat": "fhqr",
}


@dataclass(frozen=True)
class _Wrapped:
    """A program of the host behind options of OpenBSD.

    ``letters``: option letters that the host has under another name; "" leaves one out.
    ``first``: words in front of the options. ``reworded``: the host words its errors otherwise.
    ``starts``: it starts other programs, which must not see what is only for this one.
    """

    host: str = ""
    letters: Mapping[str, str] = field(default_factory=dict)
    first: tuple[str, ...] = ()
    reworded: bool = False
    starts: bool = False


_WRAPPED = {
    "awk": None,
    "cat": _Wrapped(),
    "chgrp": _Wrapped(letters={"x": ""}, reworded=True),
    "chmod": _Wrapped(letters=dict.fromkeys("HLPhfogstuwx", ""), reworded=True),
    "chown": _Wrapped(letters={"x": ""}, reworded=True),
    "cmp": _Wrapped(),
    "comm": _Wrapped(letters={"f": ""}),
    "cp": _Wrapped(reworded=True),
    "cut": _Wrapped(letters={"n": ""}),
    "diff": _Wrapped(),
    "egrep": _Wrapped("grep", first=("-E",)),
    "env": _Wrapped(starts=True),
    "fgrep": _Wrapped("grep", first=("-F",)),
    "fold": _Wrapped(),
    "grep": _Wrapped(letters={"Z": ""}),
    "gunzip": _Wrapped("gzip", first=("-d",)),
    "gzip": _Wrapped(),
    "head": _Wrapped(),
    "join": _Wrapped(),
    "ln": _Wrapped(letters={"h": "n"}, reworded=True),
    "mkdir": _Wrapped(reworded=True),
    "mknod": _Wrapped(reworded=True),
    "mv": _Wrapped(reworded=True),
    "nice": _Wrapped(starts=True),
    "paste": _Wrapped(),
    "rm": _Wrapped(letters={"P": ""}, reworded=True),
    "rmdir": _Wrapped(reworded=True),
    "sed": _Wrapped(letters={"a": ""}),
    "sleep": _Wrapped(),
    "sort": _Wrapped(letters={"H": ""}),
    "tee": _Wrapped(),
    "touch": _Wrapped(letters={"f": ""}, reworded=True),
    "tr": _Wrapped(letters={"C": "c"}),
    "uniq": _Wrapped(),
    "xargs": _Wrapped(starts=True),
    "zcat": _Wrapped("gzip", first=("-dc",)),
}
HOST_PROGRAMS = tuple(
    sorted(
        {name if wrapped is None else wrapped.host or name for name, wrapped in _WRAPPED.items()}
        | {*_PLAIN, "find", "tail", "tar"}
    )
)


def install(base: Path) -> None:
    """Puts every tool into its place below ``base``."""
    shutil.copy(HERE / "inside/SandboxTool.pm", base / "usr/libexec/sandbox/SandboxTool.pm")
    for source, names in _OWN.items():
        text = (HERE / f"inside/tools/{source}.pl").read_text()
        for name in names:
            _write(base, name, text)
    letters = json.loads((HERE / "data/options.json").read_text()) | _LETTERS_BESIDES
    for name, wrapped in _WRAPPED.items():
        if wrapped is not None:
            _write(base, name, _script(name, wrapped, letters[name]))
    for name in (*_PLAIN, "awk"):
        _place(base, name).symlink_to(f"/usr/libexec/sandbox/host/{name}")


def _script(name: str, wrapped: _Wrapped, letters: str) -> str:
    other = ", ".join(f"'{old}' => '{new}'" for old, new in sorted(wrapped.letters.items()))
    host = wrapped.host or name
    how = {
        "letters": f"'{letters}'",
        "usage": "'" + USAGES[name].replace("\\", "\\\\").replace("'", "\\'") + "'",
        "usage_error": "2" if host in _USAGE_ERROR_2 else "1",
        "host": f"'{host}'",
        "first": "[" + ", ".join(f"'{word}'" for word in wrapped.first) + "]",
        "other": f"{{{other}}}",
        "reworded": str(int(wrapped.reworded)),
        "starts": str(int(wrapped.starts)),
    }
    rows = "".join(f"    {key} => {value},\n" for key, value in how.items())
    return (
        f"{_INTERPRETER}use strict;\nuse warnings;\n"
        "BEGIN { unshift @INC, '/usr/libexec/sandbox' }\nuse SandboxTool;\n"
        f"wrap(\n{rows});\n"
    )


def _write(base: Path, name: str, text: str) -> None:
    place = _place(base, name)
    place.write_text(text)
    place.chmod(0o755)


def _place(base: Path, name: str) -> Path:
    directory = "bin" if name in _BIN else "sbin" if name in _SBIN else "usr/bin"
    return base / directory / name
