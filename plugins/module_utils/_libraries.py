# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The one place where libraries outside of Python's own are imported.

A library that is missing is reported when it is first used, with what to do about it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError


class MissingLibrary(OperatorError):
    """A library that the collection needs is not installed on the controller."""


class _Missing:
    def __init__(self, package: str) -> None:
        self._package = package

    def __getattr__(self, name: str) -> object:
        raise MissingLibrary(
            f"{self._package} is not installed for the Python that runs ansible: "
            f"pip install {self._package}"
        )


if TYPE_CHECKING:
    import bcrypt
    import netaddr
    import yaml
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
else:

    def _library(name: str, package: str) -> object:
        try:
            return importlib.import_module(name)
        except ImportError:
            return _Missing(package)

    bcrypt = _library("bcrypt", "bcrypt")
    netaddr = _library("netaddr", "netaddr")
    yaml = _library("yaml", "PyYAML")
    serialization = _library("cryptography.hazmat.primitives.serialization", "cryptography")
    try:
        UnsupportedAlgorithm = importlib.import_module(
            "cryptography.exceptions"
        ).UnsupportedAlgorithm
    except ImportError:
        UnsupportedAlgorithm = MissingLibrary

__all__ = [
    "MissingLibrary",
    "UnsupportedAlgorithm",
    "bcrypt",
    "netaddr",
    "serialization",
    "yaml",
]
