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
METRICS = GOLDEN / "metrics/etc/httpd.conf"
ONCE = "once-" + "5a" * 16
SETS = "/pub/OpenBSD/7.8/amd64"
WEB1 = "203.0.113.11"
OTHER = "203.0.113.12"
RESPONSE = f"/{ONCE}/{MAC}-install.conf"
# Requests with the answers to the VM that is being installed, and to everybody else.
ANSWERS = {
    RESPONSE: (200, 404),
    f"{RESPONSE}?path=7.8/amd64": (200, 404),
    f"{SETS}/base78.tgz": (200, 200),
    f"{SETS}/SHA256.sig": (200, 200),
    # The file's own name, with whatever address somebody likes in it.
    f"{RESPONSE}@{WEB1}": (404, 404),
    f"{RESPONSE}%40{WEB1}": (404, 404),
    f"{RESPONSE}@{WEB1}?": (404, 404),
    f"{RESPONSE}@{WEB1}%3f": (404, 404),
    f"{RESPONSE}@$REMOTE_ADDR": (404, 404),
    f"{RESPONSE}@{WEB1}/../x": (404, 404),
    f"{RESPONSE}@{WEB1}/": (404, 404),
    f"{SETS}/../../../../{ONCE}/{MAC}-install.conf@{WEB1}": (404, 404),
    f"{SETS}/{ONCE}/{MAC}-install.conf@{WEB1}": (404, 404),
    # Directories, and what is only guessed.
    "/": (404, 404),
    f"/{ONCE}/": (404, 404),
    f"/{ONCE}": (404, 404),
    f"/{MAC}-install.conf": (404, 404),
    "/install.conf": (404, 404),
    f"/once-{'0' * 32}/{MAC}-install.conf": (404, 404),
    f"/{ONCE}/notes": (404, 404),
    "/htdocs/install/": (404, 404),
    # Other ways to the same files.
    f"{SETS}/../../../../{ONCE}/notes": (404, 404),
    f"/pub/../{ONCE}/notes": (404, 404),
    f"{SETS}/nosuch78.tgz": (404, 404),
    "/pub/OpenBSD/": (404, 404),
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    made = Rig(tmp_path_factory.mktemp("rig"))
    made.machine.files.mkdir(f"{FILES}/{ONCE}")
    for name in (f"{ONCE}/{MAC}-install.conf@{WEB1}", f"{ONCE}/notes", f"{MAC}-install.conf"):
        made.machine.files.write_text(f"{FILES}/{name}", "System hostname = web1\n")
    return made


@pytest.mark.parametrize("conf", [VEB, SEED], ids=["veb", "bridge"])
@pytest.mark.parametrize("client", [WEB1, OTHER, "3.0.113.11", "203.0.113.1", "127.0.0.1"])
def test_a_response_file_is_for_the_address_of_its_vm(rig: Rig, conf: Path, client: str) -> None:
    rig.serve(conf)
    httpd = rig.machine.httpd
    answers = {path: httpd.answer("203.0.113.1", path, client=client).status for path in ANSWERS}
    assert answers == {path: codes[client != WEB1] for path, codes in ANSWERS.items()}


@pytest.mark.parametrize("conf", [VEB, SEED], ids=["veb", "bridge"])
def test_what_is_refused_leaves_no_line_in_the_log(rig: Rig, conf: Path) -> None:
    rig.serve(conf)
    rig.machine.files.write_text("/var/www/logs/access.log", "")
    served = []
    for path in [*ANSWERS, "/%zz"]:
        for client in (WEB1, OTHER):
            if rig.machine.httpd.answer("203.0.113.1", path, client=client).status == 200:
                served.append((client, path))
    log = rig.machine.files.read_text("/var/www/logs/access.log").splitlines()
    assert [(line.split()[1], line.split()[7]) for line in log] == served


@pytest.mark.parametrize(("conf", "status"), [(VEB, 403), (SEED, 200)], ids=["veb", "bridge"])
def test_sets_are_listed_in_the_seeds_form_alone(rig: Rig, conf: Path, status: int) -> None:
    rig.serve(conf)
    assert rig.machine.httpd.answer("203.0.113.1", f"{SETS}/").status == status


def test_metrics_are_for_the_addresses_that_are_named(rig: Rig) -> None:
    """192.0.2.9 may have them, as the link that the script makes says."""
    rig.serve(METRICS)
    httpd, files = rig.machine.httpd, rig.machine.files
    files.mkdir("/var/www/metrics")
    files.write_text("/var/www/metrics/metrics.text", "puffy_vmm_up 1\n")
    files.symlink("metrics.text", "/var/www/metrics/metrics@192.0.2.9")
    for client, path, status in (
        ("192.0.2.9", "/metrics", 200),
        ("192.0.2.99", "/metrics", 404),
        (WEB1, "/metrics", 404),
        (WEB1, "/metrics@192.0.2.9", 404),
        (WEB1, "/metrics.text", 404),
        (WEB1, "/", 404),
        ("192.0.2.9", RESPONSE, 404),
    ):
        assert httpd.answer("203.0.113.1", path, port=9100, client=client).status == status, path
    for path in ("/metrics", "/metrics@192.0.2.9", "/../metrics/metrics.text"):
        assert httpd.answer("203.0.113.1", path, client="192.0.2.9").status == 404


def test_the_vms_side_alone_is_listened_on(rig: Rig) -> None:
    rig.serve(VEB)
    for address in ("127.0.0.1", "2001:db8:6::1"):
        with pytest.raises(ConnectionRefusedError):
            rig.machine.httpd.answer(address, f"{SETS}/base78.tgz")
