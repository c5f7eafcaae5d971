# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

from typing import Any

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import untrusted
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import host_keys

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
                "paths": host_keys.server_questions(),
                "run": [{"name": name, "argv": argv} for name, argv in _RUN.items()],
            }
        )
        keys = host_keys.of_server(answer)
        sshfp = (" ".join(map(str, key.sshfp())) for key in keys.keys)
        result = {name: answer["run"][name]["stdout"].strip() for name in _RUN}
        result |= {"host_keys": keys.lines, "sshfp": sorted(sshfp)}
        warnings = {"warnings": [*keys.warnings]} if keys.warnings else {}
        return {**untrusted(result), **warnings}
