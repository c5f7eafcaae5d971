# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The version of this collection, as it was installed or checked out."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

_COLLECTION = Path(__file__).parents[3]


def collection_version(collection: Path = _COLLECTION) -> str:
    """Return the version that ansible-galaxy wrote, or that it builds from."""
    manifest = collection / "MANIFEST.json"
    if manifest.is_file():
        return str(json.loads(manifest.read_bytes())["collection_info"]["version"])
    return str(yaml.safe_load((collection / "galaxy.yml").read_bytes())["version"])
