# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.hand_over: host keys and hand-over sheets of VMs that were installed."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._formats.sshfp import records
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError, Refused
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.server_variables import (
    FLEET_DIRECTORY,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.templates import Templates
from ansible_collections.puffy.vmm.plugins.plugin_utils._store import hand_over
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import HAND_OVER
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.files import Unreadable
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.host_keys import (
    HostKeyError,
    HostKeyFiles,
)


class ActionModule(Action):
    """Writes to the fleet directory alone."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "vms": {"type": "list", "elements": "dict", "required": True},
        "host_keys": {"type": "dict", "required": True},
        "template": {"type": "str", "default": "hand-over.md.j2"},
        "fleet": {"type": "path"},
    }

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        path = args["fleet"] or task_vars.get(FLEET_DIRECTORY)
        if not path:
            raise OperatorError("fleet: the inventory names no fleet directory; give it")
        fleet = Path(self._loader.path_dwim(str(path)))
        templates = Templates(self, task_vars)
        host_keys: dict[str, list[str]] = plain(args["host_keys"])
        written: list[str] = []
        try:
            for vm in args["vms"]:
                name, keys = vm["name"], host_keys.get(vm["name"], [])
                extra = {
                    "item": vm,
                    "fingerprints": sorted(hand_over.fingerprint(key) for key in keys),
                    "sshfp": sorted(records(keys)),
                }
                text = templates.render(args["template"], extra)
                if self.check_mode:
                    continue
                if keys and HostKeyFiles(fleet).write(name, keys):
                    written.append(f"host_keys/{name}.pub")
                if hand_over.write(fleet, name, text):
                    written.append(f"{HAND_OVER}/{name}.md")
        except (HostKeyError, Refused, Unreadable) as error:
            raise OperatorError(str(error)) from error
        except OSError as error:
            raise OperatorError(f"{error.filename}: {error.strerror}") from error
        return {"changed": bool(written), "written": written}
