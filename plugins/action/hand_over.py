# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.hand_over: host keys and hand-over sheets of VMs that were installed."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.module_utils._formats import markdown
from ansible_collections.puffy.vmm.plugins.module_utils._formats.sshfp import records
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.ssh_keys import parse_ssh_key
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain, untrusted
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.templates import Templates
from ansible_collections.puffy.vmm.plugins.plugin_utils._store import hand_over
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import (
    CREDENTIALS,
    HAND_OVER,
    HAND_OVER_PAGE,
    HAND_OVER_TEXT,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.host_keys import HostKeyFiles
from ansible_collections.puffy.vmm.plugins.plugin_utils._tasks.fleet_directory import (
    fleet_directory,
)

Vm = t.Mapping[str, t.Any]


class ActionModule(Action):
    """Writes to the fleet directory alone."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "vms": {"type": "list", "elements": "dict", "required": True},
        "host_keys": {"type": "dict", "required": True},
        "server_keys": {"type": "list", "elements": "str", "default": []},
        "server": {"type": "str", "default": ""},
        "passwords": {"type": "bool", "default": True},
        "template": {"type": "str", "default": "hand-over.md.j2"},
        "page": {"type": "str", "default": "hand-over.html.j2"},
        "fleet": {"type": "path"},
    }

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        self._fleet = fleet_directory(self, args["fleet"], task_vars).path
        self._templates = Templates(self, task_vars)
        self._args = args
        host_keys: dict[str, list[str]] = plain(args["host_keys"])
        written: list[str] = []
        passwords: dict[str, str] = {}
        for vm in args["vms"]:
            name, keys = plain(vm["name"]), host_keys.get(vm["name"], [])
            text, page = self._sheet(vm, keys)
            if self.check_mode:
                continue
            if keys and HostKeyFiles(self._fleet).write(name, keys):
                written.append(f"host_keys/{name}.pub")
            written += hand_over.write(self._fleet, name, text, page)
            if self._has_password(name):
                passwords[name] = self._credentials(name)
            self._tell(name)
        return {"changed": bool(written), "written": written, "first_passwords": passwords}

    def _sheet(self, vm: Vm, keys: t.Sequence[str]) -> tuple[str, str]:
        """Return the sheet as text and as a page. Raises Refused for what is not a key."""
        hostname, server = vm["hostname"], self._args["server"]
        extra = {
            "fingerprints": _fingerprints(keys, hostname),
            "server_fingerprints": _fingerprints(self._args["server_keys"], server),
            "key_fingerprints": [parse_ssh_key(plain(key)).fingerprint() for key in vm["ssh_keys"]],
            "sshfp": sorted(records(keys)),
            "password": self._has_password(plain(vm["name"])),
        }
        text = self._templates.render(self._args["template"], {**untrusted(extra), "item": vm})
        parts = {"title": markdown.title(text), "body": markdown.to_html(text)}
        return text, self._templates.render(self._args["page"], untrusted(parts))

    def _has_password(self, name: str) -> bool:
        return self._args["passwords"] and (self._fleet / self._credentials(name)).is_file()

    def _credentials(self, name: str) -> str:
        return f"{CREDENTIALS}/{name}.yml"

    def _tell(self, name: str) -> None:
        """Tell the operator what the customer need not know."""
        sheet = f"{HAND_OVER}/{name}{HAND_OVER_TEXT} and {HAND_OVER_PAGE}"
        where = "it was installed without a password"
        if self._has_password(name):
            path = self._fleet / self._credentials(name)
            where = f"its first password is not in them: ansible-vault view {path}"
        self._display.display(f"  {name}: {sheet} are for its owner; {where}")


def _fingerprints(keys: t.Iterable[str], name: str) -> list[str]:
    return sorted(parse_ssh_key(key).fingerprint(name) for key in plain(list(keys)))
