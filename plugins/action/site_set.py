# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import (
    Action,
    refuse_problems,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.templates import Templates
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.site_sets import OPTIONS
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.files import write_file
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.site_sets import build, recipe


class ActionModule(Action):
    SPEC = {"dest": {"type": "path", "required": True}, **OPTIONS}

    def perform(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        refuse_problems(task_vars)
        sets = build(recipe(plain(args), Templates(self, task_vars).render))
        directory = Path(self._loader.path_dwim(args["dest"]))
        changed = []
        try:
            for name, content in sets.items():
                path = directory / name
                if path.is_file() and path.read_bytes() == content:
                    continue
                changed.append(str(path))
                if not self.check_mode:
                    directory.mkdir(parents=True, exist_ok=True)
                    write_file(path, content, 0o644)
        except OSError as error:
            raise OperatorError(f"dest: {error.filename}: {error.strerror}") from error
        return {
            "changed": bool(changed),
            "files": [
                {
                    "name": name,
                    "path": str(directory / name),
                    "size": len(content),
                    "sha256": hashlib.sha256(content).hexdigest(),
                }
                for name, content in sets.items()
            ],
        }
