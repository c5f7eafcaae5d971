# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import base64
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.ssh_keys import parse_ssh_key
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import untrusted

# What ssh-keygen(1) -A makes, which OpenBSD runs at each boot.
_KEYS = tuple(f"/etc/ssh/ssh_host_{kind}_key.pub" for kind in ("ecdsa", "ed25519", "rsa"))

_RUN = {
    "system": ["/usr/bin/uname", "-s"],
    "release": ["/usr/bin/uname", "-r"],
    "machine": ["/usr/bin/uname", "-m"],
    "hostname": ["/bin/hostname"],
}


class ActionModule(Action):
    def perform(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        answer = Agent(self.execute, self.run_process).look(
            {
                "paths": [{"path": path, "read": 1} for path in _KEYS],
                "run": [{"name": name, "argv": argv} for name, argv in _RUN.items()],
            }
        )
        keys: list[str] = []
        sshfp: list[str] = []
        warnings: list[str] = []
        for path in _KEYS:
            if path not in answer["read"]:
                continue
            text = base64.b64decode(answer["read"][path]).decode("utf-8", "replace")
            try:
                key = parse_ssh_key(text.strip())
                sshfp.append(" ".join(map(str, key.sshfp())))
            except Refused as refused:
                warnings.append(f"{path} is left out: {refused}")
            else:
                keys.append(" ".join(str(key).split(" ")[:2]))
        result = {name: answer["run"][name]["stdout"].strip() for name in _RUN}
        result |= {"host_keys": keys, "sshfp": sorted(sshfp)}
        told: dict[str, Any] = untrusted(result)
        return told | ({"warnings": warnings} if warnings else {})
