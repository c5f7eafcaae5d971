# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Which images are the same, and the response file that makes them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from openbsd import recipe as module
from openbsd.recipe import DISK_TEMPLATE, recipe, response
from openbsd.releases import release
from openbsd.settings import Settings


def test_the_name_contains_release_and_architecture(plain: Settings) -> None:
    assert re.fullmatch("openbsd-7.8-amd64-[0-9a-f]{12}", recipe(plain).name)


@pytest.mark.parametrize(
    "change",
    [
        {"release": release("7.9")},
        {"verify": "signify"},
        {"verify": "sha256"},
        {"mirror": "http://127.0.0.1:2/pub/OpenBSD"},
        {"disk": 20},
        {"cores": 2},
    ],
)
def test_what_changes_the_image_changes_its_name(
    plain: Settings, change: dict[str, object]
) -> None:
    assert recipe(replace(plain, **change)).name != recipe(plain).name  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"accelerator": "kvm"},
        {"cpu": "EPYC"},
        {"memory": 2048},
        {"patience": 3.0},
        {"cache": Path("/x")},
    ],
)
def test_what_does_not_change_the_image_keeps_its_name(
    plain: Settings, change: dict[str, object]
) -> None:
    assert recipe(replace(plain, **change)).name == recipe(plain).name  # type: ignore[arg-type]


def test_two_good_mirrors_have_the_same_files(plain: Settings) -> None:
    first = replace(plain, verify="signify")
    other = replace(first, mirror="https://mirror.example.org/pub/OpenBSD")
    assert recipe(first).name == recipe(other).name


def test_a_change_of_what_is_done_changes_the_name(
    plain: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = recipe(plain).name
    template = tmp_path / "install.conf.j2"
    template.write_text("changed")
    for name, value in (
        ("FINISH", "true\n"),
        ("BOOT_CONF", "boot\n"),
        ("DISK_TEMPLATE", "/ 1G\n"),
        ("_TEMPLATE", template),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            assert recipe(plain).name != before, name


def test_the_response_file_is_what_the_role_writes(plain: Settings) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG9wZW5ic2Q puffy.vmm"
    text = response(plain, "http://10.0.2.2:4711", key).render().decode()
    answers = dict(line.split(" = ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert answers == {
        "System hostname": "openbsd.example.org",
        "Password for root": "*************",
        "Start sshd(8) by default": "yes",
        "Change the default console to com0": "yes",
        "Which speed should com0": "115200",
        "Network interface to configure": "vio0",
        "IPv4 address for vio0": "autoconf",
        "DNS domain name": "example.org",
        "Setup a user": "installer",
        "Password for user": "*************",
        "Public ssh key for user": key,
        "Allow root ssh login": "prohibit-password",
        "What timezone are you in": "UTC",
        "Which disk is the root disk": "sd0",
        "Location of sets": "http",
        "HTTP Server": "http://10.0.2.2:4711",
        "Server directory": "pub/OpenBSD/7.8/amd64",
        "Set name(s)": "-all bsd bsd.rd base78.tgz",
        "Public ssh key for root account": key,
        "URL to autopartitioning template for disklabel": "http://10.0.2.2:4711/disklabel",
        "Directory does not contain SHA256.sig. Continue without verification": "yes",
        "Continue without verification": "yes",
    }
    # The installer does not see a last line without its end.
    assert text.endswith("\n")


def test_what_is_signed_is_verified_by_the_installer_too(plain: Settings) -> None:
    def answers(verify: str) -> str:
        variables = response(replace(plain, verify=verify), "http://x:1", "key").variables()
        return str(variables)

    assert "Continue without verification" not in answers("signify")
    assert "Continue without verification" in answers("sha256")
    assert "Continue without verification" in answers("none")


def test_the_disk_template_has_lines_that_disklabel_reads() -> None:
    # mount point, least and most size, share of what is left: see disklabel(8).
    pattern = re.compile(r"(/|swap) [0-9]+[KMGT]-(\*|[0-9]+[KMGT]) [0-9]{1,2}%")
    lines = DISK_TEMPLATE.splitlines()
    assert all(pattern.fullmatch(line) for line in lines)
    assert sum(int(line.split()[2].rstrip("%")) for line in lines) <= 100
