# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The version of the collection, in a checkout and where ansible-galaxy put it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.version import collection_version


def test_a_checkout() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", collection_version())


def test_an_installed_collection(tmp_path: Path) -> None:
    manifest = {"collection_info": {"version": "1.2.3"}}
    (tmp_path / "MANIFEST.json").write_text(json.dumps(manifest))
    assert collection_version(tmp_path) == "1.2.3"
