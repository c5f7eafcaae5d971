# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import importlib.util
import sys

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._libraries import MissingLibrary
from ansible_collections.puffy.vmm.plugins.plugin_utils._dns import dnspython


def test_a_controller_without_dnspython_is_told_when_it_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "dns", None)
    spec = importlib.util.spec_from_file_location("again", str(dnspython.__file__))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(MissingLibrary, match="pip install dnspython"):
        _ = module.dns.tsig
