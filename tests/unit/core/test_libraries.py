# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import importlib
import sys

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils import _libraries


@pytest.mark.parametrize("package", ["bcrypt", "netaddr"])
def test_a_missing_library_is_named_when_it_is_used(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    try:
        reloaded = importlib.reload(_libraries)
        with pytest.raises(reloaded.MissingLibrary) as missing:
            _ = getattr(reloaded, package).something
    finally:
        monkeypatch.undo()
        importlib.reload(_libraries)
    assert str(missing.value) == (
        f"{package} is not installed for the Python that runs ansible: pip install {package}"
    )
