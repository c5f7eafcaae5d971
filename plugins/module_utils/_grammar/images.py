# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Files of a server that a VM has: images of disks, a CD's image. All grammars raise Refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import (
    as_text,
    matching,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, shown

DISK_FORMATS = ("raw", "qcow2")

PATH = "(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)+"
# With the name of an image below it, a path stays within PATH_MAX, 1024.
LONGEST_PATH = 900
# The roles that follow the name of an image in the names of its other files.
ROLES_PATTERN = "archived|installing|moving|restoring|moved-[0-9T]+|replaced-[0-9T]+"

_FILE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}"

_SUFFIXES: Mapping[str, str] = {".img": "raw", ".raw": "raw", ".qcow2": "qcow2"}


def directory(value: object) -> str:
    """Return an absolute path without a slash at its end."""
    text = as_text(value)
    if not re.fullmatch(PATH, text.rstrip("/")) or len(text) > LONGEST_PATH:
        raise Refused(
            f"{shown(text)} is not a directory for images; use an absolute path of letters, "
            f"digits, _ . and -, such as /var/vmm"
        )
    return text.rstrip("/")


def free_of_roles(stem: str) -> str:
    """Return the name of a VM or of an image that no file of another one can have."""
    if re.fullmatch(rf".+\.(?:{ROLES_PATTERN})", stem):
        raise Refused(
            f"{shown(stem)} ends like the images that are kept of a VM; choose another name"
        )
    return stem


def recorded_image(value: object) -> str:
    """Return the path of an image that a ledger has."""
    text = as_text(value)
    place, _slash, name = text.rpartition("/")
    try:
        return f"{directory(place)}/{matching(name, _FILE_NAME, '')}"
    except Refused:
        complaint = f"{shown(text)} is not the path of an image; use one such as /var/vmm/web1.img"
        raise Refused(complaint) from None


def image(value: object) -> str:
    """Return the path of an image that a VM file gives."""
    path = recorded_image(value)
    free_of_roles(PurePosixPath(stem(path)).name)
    return path


def file(value: object) -> str:
    """Return the path of another file of a server."""
    return matching(
        value,
        PATH,
        "is not the path of a file; use an absolute path of letters, digits, _ . and -, such as "
        "/home/iso/install78.iso",
    )


def format_of(path: str) -> str | None:
    """Return the format that the name of an image ends with, None for any other name."""
    return _SUFFIXES.get(PurePosixPath(path).suffix)


def stem(path: str) -> str:
    """Return the path of an image without its ending, which no two images may share."""
    return path if format_of(path) is None else path.removesuffix(PurePosixPath(path).suffix)


def in_role(path: str, role: str) -> str:
    """Return where an image is in another role: /var/vmm/web1.archived.qcow2."""
    return f"{stem(path)}.{role}{path.removeprefix(stem(path))}"
