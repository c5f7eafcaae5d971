# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
name: vms
short_description: The VMs of a fleet as hosts
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Reads the VM files and the ledgers of a fleet directory, together with the C(vmm_*) variables of
    the servers, checks all of it and works out each VM's number, MAC address and IP addresses.
  - Every VM becomes a host in the group V(vms) and in a group of its server, such as
    V(vms_on_server1) for the VMs of C(server1). Characters of the server's name that a group's name
    cannot have become underscores there. Suspended and archived VMs are hosts as well.
  - A VM has C(ansible_host), C(ansible_user) and its values as C(vmm_server), C(vmm_number),
    C(vmm_mac), C(vmm_ipv4), C(vmm_ipv6), C(vmm_owner), C(vmm_user), C(vmm_hostname), C(vmm_memory),
    C(vmm_disk), C(vmm_state) and so on. Its note is left out.
  - Every server gets C(vmm_host), its settings with all defaults filled in, C(vmm_vms), its VMs,
    C(vmm_owners), their owners, and C(vmm_fleet_directory). The roles of this collection work from
    these.
  - Values of VM files are data, whatever they look like. Ansible never evaluates them as templates.
  - Nothing is ever written. M(puffy.vmm.allocate) writes the numbers of new VMs to the ledgers.
  - When something is wrong with the fleet, all problems are shown, no VM is added, and the servers
    get C(vmm_problems), a list of them, in place of C(vmm_vms), so that no play changes anything.
notes:
  - The servers must be known when this source is read. Ansible reads the files of an inventory
    directory in alphabetical order, so C(hosts.yml) comes before C(vmm.yml).
  - The variables of the servers are those of the inventory, of C(group_vars) and C(host_vars)
    beside it, and of the command line. What lies beside a playbook is not known while an inventory
    is read, and neither are facts.
  - The options O(compose), O(groups) and O(keyed_groups) apply to the VMs. A variable in O(compose)
    replaces one of the same name that the plugin sets, such as C(ansible_user).
  - The name of the file ends in C(vmm.yml), C(vmm.yaml), C(vms.yml) or C(vms.yaml).
options:
  plugin:
    description: Selects this plugin.
    required: true
    choices: [puffy.vmm.vms]
  fleet:
    description:
      - The fleet directory, relative to the directory of this file.
      - It cannot be that directory or below it, where Ansible would take each VM file for an
        inventory source of its own.
    type: str
    required: true
  servers:
    description: The group of the servers.
    type: str
    default: vmd_servers
extends_documentation_fragment:
  - constructed
seealso:
  - plugin: ansible.builtin.constructed
    plugin_type: inventory
"""

EXAMPLES = r"""
# inventories/production/vmm.yml
plugin: puffy.vmm.vms
fleet: ../../fleets/production

---
# Groups such as vms_present and vms_archived, and one for each owner
plugin: puffy.vmm.vms
fleet: ../../fleets/production
keyed_groups:
  - key: vmm_state
    prefix: vms
  - key: vmm_owner
    prefix: owner
groups:
  ipv6_only: vmm_ipv6 is not none and 'v6' in vmm_hostname
compose:
  ansible_port: "31415"
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import (
    Fleet,
    server_variables,
    vm_variables,
)
from ansible_collections.puffy.vmm.plugins.module_utils._libraries import MissingLibrary
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Problems
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import untrusted
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.server_variables import (
    FLEET_DIRECTORY,
    PROBLEMS,
    InventoryVariables,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import (
    VMS,
    FleetDirectory,
    NoFleet,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.load import build

if TYPE_CHECKING:
    from ansible.inventory.data import InventoryData
    from ansible.parsing.dataloader import DataLoader

ALL_VMS = "vms"
_FILE_NAMES = ("vmm.yml", "vmm.yaml", "vms.yml", "vms.yaml")


class InventoryModule(BaseInventoryPlugin, Constructable):
    NAME = "puffy.vmm.vms"

    # parse() of the base class sets these before anything here looks at them.
    inventory: InventoryData
    loader: DataLoader
    _vars: dict[str, Any]

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith(_FILE_NAMES)

    def parse(
        self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True
    ) -> None:
        super().parse(inventory, loader, path, cache)
        self._refuse_unknown_options(self._read_config_data(path), path)
        directory = self._fleet_directory(path)
        servers = self._servers(path)
        for server in servers:
            inventory.set_variable(server, FLEET_DIRECTORY, untrusted(str(directory.path)))
        try:
            fleet = self._fleet(directory, servers, path)
        except (NoFleet, MissingLibrary) as error:
            raise AnsibleParserError(f"{path}: {error}") from error
        except Problems as found:
            self._show(found, directory, servers, path)
        else:
            self._add(fleet, _groups_of(servers, path))

    def _refuse_unknown_options(self, config: Mapping[str, Any], path: str) -> None:
        unknown = sorted(str(name) for name in config if name not in self._options)
        if unknown:
            raise AnsibleParserError(
                f"{path}: unknown option {', '.join(unknown)}; known are "
                f"{', '.join(sorted(self._options))}"
            )

    def _fleet_directory(self, path: str) -> FleetDirectory:
        inventory_directory = Path(path).parent.resolve()
        fleet = (inventory_directory / Path(self.get_option("fleet")).expanduser()).resolve()
        if fleet.is_relative_to(inventory_directory):
            raise AnsibleParserError(
                f"{path}: fleet: {fleet} is in the inventory directory {inventory_directory}, "
                f"where Ansible takes each file for an inventory source; put it elsewhere"
            )
        return FleetDirectory(fleet)

    def _servers(self, path: str) -> list[str]:
        group = self.get_option("servers")
        if group not in self.inventory.groups:
            raise AnsibleParserError(
                f"{path}: servers: there is no group {group!r} yet; the file that names the "
                f"servers must come before this one in alphabetical order, as hosts.yml does"
            )
        return sorted(str(host.name) for host in self.inventory.groups[group].get_hosts())

    def _fleet(self, directory: FleetDirectory, servers: list[str], path: str) -> Fleet:
        sources = dict.fromkeys(
            os.path.dirname(source)
            for source in [*self.inventory.processed_sources, path]
            # None stands there for a directory that was read before.
            if source and os.path.exists(source)
        )
        variables = InventoryVariables(self.inventory, self.loader, sources, self._vars)
        settings: dict[str, Mapping[str, object]] = {}
        texts = directory.read()
        problems = list(texts.problems)
        for server in servers:
            settings[server], unusable = variables.settings(server)
            problems += unusable
        hosts = set(self.inventory.hosts) - set(servers)
        groups = {*self.inventory.groups, ALL_VMS}
        return build(texts, settings, groups, hosts, problems)

    def _show(
        self, found: Problems, directory: FleetDirectory, servers: list[str], path: str
    ) -> None:
        problems = [str(problem) for problem in found.problems]
        for problem in problems:
            self.display.error(problem, wrap_text=False)
        self.display.error(
            f"{path}: the inventory has no VMs until this is put right: {len(problems)} problem(s) "
            f"in {directory.path} and the variables of the servers",
            wrap_text=False,
        )
        for server in servers:
            self.inventory.set_variable(server, PROBLEMS, untrusted(problems))

    def _add(self, fleet: Fleet, group_of: Mapping[str, str]) -> None:
        self.inventory.add_group(ALL_VMS)
        for server, group in group_of.items():
            self.inventory.add_group(group)
            self.inventory.add_child(ALL_VMS, group)
            for name, value in server_variables(fleet, server).items():
                self.inventory.set_variable(server, name, untrusted(value))
        for vm in fleet.vms:
            self.inventory.add_host(vm.name, group=group_of[vm.server])
            for name, value in vm_variables(fleet, vm).items():
                self.inventory.set_variable(vm.name, name, untrusted(value))
        # Only now, because a variable for a name would go to a group of that name.
        for vm in fleet.vms:
            self._construct(vm.name)

    def _construct(self, host: str) -> None:
        strict = self.get_option("strict")
        variables = self.inventory.hosts[host].get_vars()
        self._set_composite_vars(self.get_option("compose"), variables, host, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict=strict)
        self._add_host_to_keyed_groups(
            self.get_option("keyed_groups"), variables, host, strict=strict
        )


def _groups_of(servers: list[str], path: str) -> dict[str, str]:
    """Return the name of the group of each server's VMs."""
    groups: dict[str, str] = {}
    for server in servers:
        group = f"{VMS}_on_{re.sub('[^A-Za-z0-9_]', '_', server)}"
        for other in servers:
            if groups.get(other) == group:
                raise AnsibleParserError(
                    f"{path}: the VMs of {other} and of {server} would both be in the group "
                    f"{group}; rename one of the servers"
                )
        groups[server] = group
    return groups
