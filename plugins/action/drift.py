# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.drift: one table of what differs on all servers."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain, untrusted
from ansible_collections.puffy.vmm.plugins.plugin_utils._state import drift
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.files import write_file


class ActionModule(Action):
    """Shows the table, and writes it to a file where one is named, in check mode as well."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "results": {"type": "dict", "required": True},
        "path": {"type": "path"},
    }

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        table = drift.drift(plain(args["results"]))
        if args["path"]:
            _write(table, Path(args["path"]))
        self._display.display(f"\n{table.table()}\n")
        return {"differs": bool(table.rows), **untrusted(_data(table))}


def _data(table: drift.Drift) -> dict[str, t.Any]:
    generations = dict(table.generations)
    return {"summary": table.summary(), "drift": table.data(), "generations": generations}


def _write(table: drift.Drift, path: Path) -> None:
    text = f"{table.table()}\n\n{table.summary()}\n"
    if path.suffix == ".json":
        text = json.dumps(_data(table), indent=2) + "\n"
    try:
        write_file(path, text.encode(), 0o644)
    except OSError as error:
        raise OperatorError(f"path: {path}: {error.strerror}; name a file to write to") from error
