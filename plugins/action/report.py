# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.report: a fleet as one page, and the same as JSON."""

from __future__ import annotations

import json
import re
import typing as t
from datetime import UTC, datetime
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError, shown
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain, untrusted
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.version import collection_version
from ansible_collections.puffy.vmm.plugins.plugin_utils._report.data import report
from ansible_collections.puffy.vmm.plugins.plugin_utils._report.page import page
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.files import write_file
from ansible_collections.puffy.vmm.plugins.plugin_utils._tasks.fleet_directory import task_fleet

_DIRECTORY: t.Final = "report"
_PAGE: t.Final = "index.html"
_DATA: t.Final = "report.json"


class ActionModule(Action):
    """Writes the report, in check mode as well."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "results": {"type": "dict", "default": {}},
        "directory": {"type": "path"},
        "mode": {"type": "str", "default": "0640"},
        "servers": {"type": "str", "default": "vmd_servers"},
    }

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        mode = _mode(args["mode"])
        fleet = task_fleet(task_vars, args["servers"])
        path = fleet.directory.path / _DIRECTORY
        if args["directory"]:
            path = Path(self.loader.path_dwim(args["directory"]))
        made = report(
            fleet.inventory.build(fleet.directory.read()),
            fleet.servers,
            plain(args["results"]),
            at=datetime.now(UTC),
            version=collection_version(),
        )
        data = json.dumps(made.data(), indent=1) + "\n"
        _write(path, mode, {_DATA: data, _PAGE: page(made)})
        self._display.display(f"\n{made.summary()}\n{path / _PAGE}\n")
        result = {
            "summary": made.summary(),
            "deployed": made.deployed,
            "live": made.live,
            "page": str(path / _PAGE),
            "data": str(path / _DATA),
        }
        return t.cast(dict[str, t.Any], untrusted(result))


def _mode(text: str) -> int:
    # Without its first digit it may be a number that YAML read as octal: 0644 is 420.
    if not re.fullmatch("0[0-7]{3}", text) or not int(text, 8) & 0o400:
        raise OperatorError(
            f"mode: {shown(text)} is not a mode of a file; use one such as '0640', in quotes, or "
            f"'0644' to let every account read the report"
        )
    return int(text, 8)


def _write(directory: Path, mode: int, texts: t.Mapping[str, str]) -> None:
    """Write the files; who may read them may enter a directory that is created for them."""
    try:
        if not directory.is_dir():
            directory.mkdir(mode=0o700)
            directory.chmod(0o700 | mode | (mode & 0o444) >> 2)
        for name, text in texts.items():
            write_file(directory / name, text.encode(), mode)
    except OSError as error:
        raise OperatorError(
            f"directory: {error.filename}: {error.strerror}; name a directory to write to, in an "
            f"existing one"
        ) from error
