# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.hand_over: host keys and hand-over sheets of VMs that were installed."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused
from ansible_collections.puffy.vmm.plugins.module_utils._sshfp import records
from ansible_collections.puffy.vmm.plugins.plugin_utils import _hand_over
from ansible_collections.puffy.vmm.plugins.plugin_utils._action import Action, Failure
from ansible_collections.puffy.vmm.plugins.plugin_utils._files import Unreadable
from ansible_collections.puffy.vmm.plugins.plugin_utils._host_keys import (
    HostKeyError,
    HostKeyFiles,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._plain import plain
from ansible_collections.puffy.vmm.plugins.plugin_utils._server_variables import FLEET_DIRECTORY
from ansible_collections.puffy.vmm.plugins.plugin_utils._templates import Templates


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
            raise Failure("fleet: the inventory names no fleet directory; give it")
        fleet = Path(self._loader.path_dwim(str(path)))
        templates = Templates(self, task_vars)
        host_keys: dict[str, list[str]] = plain(args["host_keys"])
        written: list[str] = []
        try:
            for vm in args["vms"]:
                name, keys = vm["name"], host_keys.get(vm["name"], [])
                extra = {
                    "item": vm,
                    "fingerprints": sorted(_hand_over.fingerprint(key) for key in keys),
                    "sshfp": sorted(records(keys)),
                }
                text = templates.render(args["template"], extra)
                if self.check_mode:
                    continue
                if keys and HostKeyFiles(fleet).write(name, keys):
                    written.append(f"host_keys/{name}.pub")
                if _hand_over.write(fleet, name, text):
                    written.append(f"{_hand_over.HAND_OVER}/{name}.md")
        except (HostKeyError, Refused, Unreadable) as error:
            raise Failure(str(error)) from error
        except OSError as error:
            raise Failure(f"{error.filename}: {error.strerror}") from error
        return {"changed": bool(written), "written": written}
