# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._formats.passwords import (
    DEFAULT_ALPHABET,
    DEFAULT_COST,
    DEFAULT_LENGTH,
    bcrypt_hash,
    password,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.names import vm_name
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.vault import Vault
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.credentials import (
    Credential,
    CredentialFiles,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import (
    CREDENTIALS,
    FleetDirectory,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._tasks.fleet_directory import (
    fleet_directory,
)


class ActionModule(Action):
    SPEC = {
        "vms": {"type": "list", "elements": "str", "required": True},
        "state": {"type": "str", "default": "present", "choices": ["present", "read"]},
        "fleet": {"type": "path"},
        "vault_id": {"type": "str"},
        "length": {"type": "int", "default": DEFAULT_LENGTH},
        "alphabet": {"type": "str", "default": DEFAULT_ALPHABET},
        "cost": {"type": "int", "default": DEFAULT_COST},
        "lock_timeout": {"type": "float", "default": 60.0},
    }

    def perform(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        fleet = fleet_directory(self, args["fleet"], task_vars)
        vault = Vault.of(self._loader, args["vault_id"])
        files = CredentialFiles(fleet.path / CREDENTIALS, vault)
        try:
            names = sorted({vm_name(name) for name in args["vms"]})
            if args["state"] == "read":
                return self._read(files, names)
            return self._make(args, fleet, files, vault, names)
        except ValueError as error:
            raise OperatorError(str(error)) from error

    def _read(self, files: CredentialFiles, names: list[str]) -> dict[str, Any]:
        if missing := [name for name in names if not files.exists(name)]:
            text = f"no credentials for {', '.join(missing)}: state present makes them"
            raise OperatorError(text, missing=missing)
        hashes = {name: files.read(name).hash for name in names}
        return {"hashes": hashes, "_ansible_no_log": True}

    def _make(
        self,
        args: dict[str, Any],
        fleet: FleetDirectory,
        files: CredentialFiles,
        vault: Vault,
        names: list[str],
    ) -> dict[str, Any]:
        vault.require_secret()
        missing = [name for name in names if not files.exists(name)]
        if there := [name for name in names if name not in missing]:
            # One shows that the secret is the one of this fleet; all would take seconds.
            files.read(there[0])
        if missing and not self.check_mode:
            with fleet.lock(args["lock_timeout"]), ThreadPoolExecutor() as pool:
                missing = [name for name in missing if not files.exists(name)]
                made = pool.map(lambda _name: _new_credential(args), missing)
                for name, credential in zip(missing, made, strict=True):
                    files.write(name, credential)
        return {
            "changed": bool(missing),
            "credentials": [f"{CREDENTIALS}/{name}.yml" for name in missing],
        }


def _new_credential(args: dict[str, Any]) -> Credential:
    new = password(args["length"], args["alphabet"])
    return Credential(new, bcrypt_hash(new, args["cost"]))
