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
    result = settings({"HOME": "/home/x"})
    assert result.mirror == "https://cdn.openbsd.org/pub/OpenBSD"
    assert result.firmware_mirror == f"http://firmware.openbsd.org/firmware/{CURRENT_RELEASE.name}"
    assert result.release is CURRENT_RELEASE
    assert (result.verify, result.accelerator, result.cpu) == ("signify", "auto", "")
    assert (result.memory, result.cores, result.disk, result.patience) == (2048, 1, 16, 1.0)
    assert result.cache == Path("/home/x/.cache/puffy.vmm")


def test_all_of_them() -> None:
    result = settings(
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
    assert result.mirror == "http://127.0.0.1:8080/pub/OpenBSD"
    assert result.firmware_mirror == "http://127.0.0.1:8080/pub/OpenBSD/firmware/7.8"
    assert result.release.name == "7.8"
    assert (result.verify, result.accelerator, result.cpu) == ("none", "tcg", "EPYC")
    assert (result.memory, result.cores, result.disk, result.patience) == (2048, 2, 20, 1.5)
    assert result.cache == Path("/var/cache/x")


def test_firmware_may_be_elsewhere() -> None:
    result = settings({"OPENBSD_FIRMWARE_MIRROR": "http://127.0.0.1:8080/7.8/"})
    assert result.firmware_mirror == "http://127.0.0.1:8080/7.8"
    assert result.mirror == "https://cdn.openbsd.org/pub/OpenBSD"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OPENBSD_MIRROR", "ftp://ftp.example.org/pub", "is not the address of a mirror"),
        ("OPENBSD_MIRROR", "cdn.openbsd.org", "is not the address of a mirror"),
        ("OPENBSD_FIRMWARE_MIRROR", "/firmware", "is not the address of a mirror"),
        ("OPENBSD_RELEASE", "6.5", "there are: 7.8, 7.9"),
        ("OPENBSD_VERIFY", "no", "'no' is not one of signify, sha256, none"),
        ("OPENBSD_ACCELERATOR", "hvf", "'hvf' is not one of auto, kvm, tcg"),
        ("OPENBSD_MEMORY", "1G", "'1G' is not a whole number from 256 to"),
        ("OPENBSD_MEMORY", "128", "'128' is not a whole number from 256 to"),
        ("OPENBSD_CORES", "0", "from 1 to 64"),
        ("OPENBSD_DISK", "-1", "from 4 to 1024"),
        ("OPENBSD_PATIENCE", "0", "is not a number such as 2 or 0.5"),
        ("OPENBSD_PATIENCE", "much", "is not a number such as 2 or 0.5"),
    ],
)
def test_what_is_wrong_is_named(name: str, value: str, said: str) -> None:
    with pytest.raises(OpenBSDError) as caught:
        settings({name: value})
    assert str(caught.value).startswith(f"{name}: ")
    assert said in str(caught.value)
