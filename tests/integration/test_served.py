# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What httpd(8) answers with the httpd.conf that the role writes, and to whom."""

from __future__ import annotations

from pathlib import Path

import pytest
from integration.harness import CHECKOUT

from sandbox.install_rig import FILES, MAC, Rig

GOLDEN = CHECKOUT / "tests/golden"
VEB = GOLDEN / "example/server1/etc/httpd.conf"
SEED = GOLDEN / "seed/servers/server1.openbsd.amsterdam/etc/httpd.conf"
ONCE = "once-" + "5a" * 16
SETS = "/pub/OpenBSD/7.8/amd64"
# Requests with the answers: with the preset veb, and in the seed's form.
ANSWERS = {
    f"/{ONCE}/{MAC}-install.conf": (200, 200),
    f"/{ONCE}/{MAC}-install.conf?path=7.8/amd64": (200, 200),
    f"{SETS}/base78.tgz": (200, 200),
    f"{SETS}/SHA256.sig": (200, 200),
    # Directories, and what is only guessed.
    "/": (404, 403),
    f"/{ONCE}/": (404, 403),
    f"/{ONCE}": (404, 301),
    f"{SETS}/": (403, 200),
    f"/{MAC}-install.conf": (404, 200),
    "/install.conf": (404, 404),
    f"/once-{'0' * 32}/{MAC}-install.conf": (404, 404),
    f"/{ONCE}/notes": (404, 200),
    "/htdocs/install/": (404, 404),
    # Other ways to the same files.
    f"{SETS}/../../../../{ONCE}/notes": (404, 200),
    f"/pub/../{ONCE}/notes": (404, 200),
    f"{SETS}/nosuch78.tgz": (404, 404),
    "/pub/OpenBSD/": (404, 404),
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    made = Rig(tmp_path_factory.mktemp("rig"))
    made.machine.files.mkdir(f"{FILES}/{ONCE}")
    for name in (f"{ONCE}/{MAC}-install.conf", f"{ONCE}/notes", f"{MAC}-install.conf"):
        made.machine.files.write_text(f"{FILES}/{name}", "System hostname = web1\n")
    return made


@pytest.mark.parametrize("conf", [VEB, SEED], ids=["veb", "bridge"])
def test_nothing_but_response_files_and_sets(rig: Rig, conf: Path) -> None:
    rig.serve(httpd=conf.read_text())
    answers = {path: rig.machine.httpd.answer("203.0.113.1", path).status for path in ANSWERS}
    assert answers == {path: codes[conf is SEED] for path, codes in ANSWERS.items()}


def test_the_vms_side_alone_is_listened_on(rig: Rig) -> None:
    rig.serve(httpd=VEB.read_text())
    for address in ("127.0.0.1", "2001:db8:6::1"):
        with pytest.raises(ConnectionRefusedError):
            rig.machine.httpd.answer(address, f"{SETS}/base78.tgz")
