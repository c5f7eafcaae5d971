# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils import _libraries


def load_again() -> ModuleType:
    """Return the module as it is when it is first imported now."""
    spec = importlib.util.spec_from_file_location("libraries", str(_libraries.__file__))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("module", "package"), [("bcrypt", "bcrypt"), ("netaddr", "netaddr"), ("yaml", "PyYAML")]
)
def test_a_missing_library_is_named_when_it_is_used(
    module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    libraries = load_again()
    with pytest.raises(libraries.MissingLibrary) as missing:
        _ = getattr(libraries, module).something
    assert str(missing.value) == (
        f"{package} is not installed for the Python that runs ansible: pip install {package}"
    )
