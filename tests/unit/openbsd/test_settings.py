# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The environment variables OPENBSD_*."""

from __future__ import annotations

from pathlib import Path

import pytest

from openbsd.errors import OpenBSDError
from openbsd.releases import CURRENT_RELEASE
from openbsd.settings import settings


def test_defaults() -> None:
    found = settings({"HOME": "/home/x"})
    assert found.mirror == "https://cdn.openbsd.org/pub/OpenBSD"
    assert found.firmware_mirror == f"http://firmware.openbsd.org/firmware/{CURRENT_RELEASE.name}"
    assert found.release is CURRENT_RELEASE
    assert (found.verify, found.accelerator, found.cpu) == ("signify", "auto", "")
    assert (found.memory, found.cores, found.disk, found.patience) == (2048, 1, 16, 1.0)
    assert found.cache == Path("/home/x/.cache/puffy.vmm")


def test_all_of_them() -> None:
    found = settings(
        {
            "OPENBSD_MIRROR": "http://127.0.0.1:8080/pub/OpenBSD/",
            "OPENBSD_RELEASE": "7.8",
            "OPENBSD_VERIFY": "none",
            "OPENBSD_ACCELERATOR": "tcg",
            "OPENBSD_CPU": "EPYC",
            "OPENBSD_MEMORY": "2048",
            "OPENBSD_CORES": "2",
            "OPENBSD_DISK": "20",
            "OPENBSD_PATIENCE": "1.5",
            "OPENBSD_CACHE": "/var/cache/x",
        }
    )
    assert found.mirror == "http://127.0.0.1:8080/pub/OpenBSD"
    assert found.firmware_mirror == "http://127.0.0.1:8080/pub/OpenBSD/firmware/7.8"
    assert found.release.name == "7.8"
    assert (found.verify, found.accelerator, found.cpu) == ("none", "tcg", "EPYC")
    assert (found.memory, found.cores, found.disk, found.patience) == (2048, 2, 20, 1.5)
    assert found.cache == Path("/var/cache/x")


def test_firmware_may_be_elsewhere() -> None:
    found = settings({"OPENBSD_FIRMWARE_MIRROR": "http://127.0.0.1:8080/7.8/"})
    assert found.firmware_mirror == "http://127.0.0.1:8080/7.8"
    assert found.mirror == "https://cdn.openbsd.org/pub/OpenBSD"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OPENBSD_MIRROR", "ftp://ftp.example.org/pub", "is not the address of a mirror"),
        ("OPENBSD_MIRROR", "cdn.openbsd.org", "is not the address of a mirror"),
        ("OPENBSD_FIRMWARE_MIRROR", "/firmware", "is not the address of a mirror"),
        ("OPENBSD_RELEASE", "6.5", "there are: 7.8, 7.9"),
        ("OPENBSD_VERIFY", "no", "'no' is none of signify, sha256, none"),
        ("OPENBSD_ACCELERATOR", "hvf", "'hvf' is none of auto, kvm, tcg"),
        ("OPENBSD_MEMORY", "1G", "'1G' is not a whole number from 256 to"),
        ("OPENBSD_MEMORY", "128", "'128' is not a whole number from 256 to"),
        ("OPENBSD_CORES", "0", "from 1 to 64"),
        ("OPENBSD_DISK", "-1", "from 4 to 1024"),
        ("OPENBSD_PATIENCE", "0", "is no number such as 2 or 0.5"),
        ("OPENBSD_PATIENCE", "much", "is no number such as 2 or 0.5"),
    ],
)
def test_what_is_wrong_is_named(name: str, value: str, said: str) -> None:
    with pytest.raises(OpenBSDError) as caught:
        settings({name: value})
    assert str(caught.value).startswith(f"{name}: ")
    assert said in str(caught.value)
