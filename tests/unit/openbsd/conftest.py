# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Settings and a machine that need neither network nor QEMU."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from openbsd.image import Teller
from openbsd.mirror import quiet
from openbsd.qemu import Machine
from openbsd.settings import Settings, settings

# Listens where hostfwd says, prints to console.log, and stays; or complains and ends.
_QEMU = """\
#!{python}
import os, pathlib, re, socket, sys, time
here = pathlib.Path(__file__).parent
with (here / "calls").open("a") as calls:
    print(*sys.argv[1:], file=calls)
way = (here / "way").read_text() if (here / "way").exists() else "good"
if "-no-reboot" in sys.argv:
    os.execv(sys.executable, [sys.executable, {console!r}, str(here / "typed"), *way.split()])
port = int(re.search(r"hostfwd=tcp:127.0.0.1:(\\d+)-:22", " ".join(sys.argv))[1])
if way == "complains":
    sys.exit("qemu: -cpu none: no such model")
if way == "taken" and not (here / "once").exists():
    (here / "once").touch()
    sys.exit(f"qemu: could not set up host forwarding rule 'tcp:127.0.0.1:{{port}}-:22'")
pathlib.Path("console.log").write_text("OpenBSD/amd64 (openbsd.example.org) (tty00)\\n\\nlogin: ")
with socket.create_server(("127.0.0.1", port)):
    time.sleep(0.3 if way == "dies" else 60)
"""

_QEMU_IMG = """\
#!/bin/sh
printf 'qemu-img %s\\n' "$*" >>"${0%/*}/calls"
eval "last=\\${$#}"
case $last in
*G) for last; do case $last in *.qcow2) break;; esac; done ;;
esac
: >"$last"
"""


@pytest.fixture
def plain(tmp_path: Path) -> Settings:
    return settings(
        {
            "OPENBSD_MIRROR": "http://127.0.0.1:1/pub/OpenBSD",
            "OPENBSD_RELEASE": "7.8",
            "OPENBSD_VERIFY": "none",
            "OPENBSD_ACCELERATOR": "tcg",
            "OPENBSD_CACHE": str(tmp_path / "cache"),
        }
    )


@pytest.fixture
def machine() -> Machine:
    return Machine("/usr/bin/qemu-system-x86_64", "max", 1024, 1, slow=True)


@pytest.fixture
def bin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """QEMU's programs, as scripts that note how they are called in the file calls."""
    place = tmp_path / "bin"
    place.mkdir()
    console = str(Path(__file__).with_name("fake_console.py"))
    for name, text in (
        ("qemu-system-x86_64", _QEMU.format(python=sys.executable, console=console)),
        ("qemu-img", _QEMU_IMG),
    ):
        (place / name).write_text(text)
        (place / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:/usr/bin:/bin")
    return place


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def teller(said: list[str]) -> Teller:
    return Teller(said.append, quiet, lambda seconds, line: None)
