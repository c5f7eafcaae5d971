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
  - Names of VMs are those of vmd(8), with dots, capitals and underscores. C(vmm_label) is the name
    that DHCP and DNS have for the VM, in lower case and with hyphens.
  - Every VM becomes a host in the group V(vms) and in a group of its server, such as
    V(vms_on_server1) for the VMs of C(server1). Characters of the server's name that a group's name
    cannot have become underscores there. Suspended and archived VMs are hosts as well.
  - A VM has C(ansible_host), C(ansible_user) and its values as C(vmm_server), C(vmm_number),
    C(vmm_mac), C(vmm_ipv4), C(vmm_ipv6), C(vmm_network), C(vmm_ipv6_prefix), C(vmm_interfaces),
    C(vmm_owner), C(vmm_user), C(vmm_hostname), C(vmm_memory), C(vmm_disk), C(vmm_state) and so on.
    Its note is left out.
  - Where a port of its server leads to port 22 of a VM (C(forward) in its file), C(ansible_host) is
    the server's, or the server's name, and C(ansible_port) is that port.
  - Every server gets C(vmm_host), its settings with all defaults filled in, C(vmm_vms), its VMs,
    C(vmm_owners), their owners, and C(vmm_fleet_directory). The roles of this collection work from
    these.
  - Values of VM files are data, whatever they look like. Ansible never evaluates them as templates.
  - Nothing is ever written. M(puffy.vmm.allocate) writes the numbers of new VMs to the ledgers.
  - Problems of the fleet are shown, and affect only what they concern. A server with problems of
    its own, of its ledger or of its VMs has them as C(vmm_problems), a list. A server whose
    settings or ledger cannot be used has no C(vmm_vms), so that no play changes anything there. A
    VM whose files have problems stays as it was when they had none, and does not become a host if
    it is new; C(vmm_broken_vms) of every server has the problems of VMs by name.
  - Where it is not known how a VM was, C(vmm_unknown_vms) of its server has its name, and no role
    changes that server.
  - The name of a new VM, and the groups that O(keyed_groups) makes of what its customer says, must
    not be hosts or groups of the inventory. To check that, files that come later in the directory
    are read twice when there are new VMs.
notes:
  - The servers must be known when this source is read. Ansible reads the files of an inventory
    directory in alphabetical order, so C(hosts.yml) comes before C(vmm.yml).
  - The variables of the servers are those of the inventory, of C(group_vars) and C(host_vars)
    next to it, and of the command line. Variables next to a playbook are not known while an
    inventory is read, and neither are facts.
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
      - It must not be that directory or below it, where Ansible would take each VM file for an
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
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import (
    Fleet,
    server_variables,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.variables import vm_variables
from ansible_collections.puffy.vmm.plugins.module_utils._libraries import MissingLibrary
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Problem
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.other_sources import (
    FILE_NAMES,
    read_later,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import untrusted
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.server_variables import (
    BROKEN,
    FLEET_DIRECTORY,
    FLEET_PROBLEMS,
    PROBLEMS,
    TAKEN,
    InventoryVariables,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import (
    VMS,
    FleetDirectory,
    NoFleet,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.load import (
    ALL_VMS,
    HOST_ALREADY,
    build,
)

if TYPE_CHECKING:
    from ansible.parsing.dataloader import DataLoader


class InventoryModule(BaseInventoryPlugin, Constructable):
    NAME = "puffy.vmm.vms"

    # parse() of the base class sets these before anything here looks at them.
    inventory: InventoryData
    loader: DataLoader
    _vars: dict[str, Any]
    _variables: InventoryVariables

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith(FILE_NAMES)

    def parse(
        self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True
    ) -> None:
        super().parse(inventory, loader, path, cache)
        self._refuse_unknown_options(self._read_config_data(path), path)
        directory = self._fleet_directory(path)
        servers = self._servers(path)
        for server in servers:
            inventory.set_variable(server, FLEET_DIRECTORY, untrusted(str(directory.path)))
        group_of = _groups_of(servers, path)
        try:
            fleet = self._fleet(directory, servers, path)
        except (NoFleet, MissingLibrary) as error:
            raise AnsibleParserError(f"{path}: {error}") from error
        self._show(fleet, directory, servers, path)
        self._add(fleet, group_of)

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
            # A directory that was read before is None there.
            if source and os.path.exists(source)
        )
        variables = InventoryVariables(self.inventory, self.loader, sources, self._vars)
        self._variables = variables
        texts = directory.read()
        settings: dict[str, Mapping[str, object]] = {}
        problems: list[Problem] = []
        for server in servers:
            settings[server], unusable = variables.settings(server)
            problems += unusable
        accounts = {server: variables.accounts(server) for server in servers}
        hosts = dict.fromkeys(set(self.inventory.hosts) - set(servers), HOST_ALREADY)
        groups = {*self.inventory.groups, ALL_VMS}
        fleet = build(texts, settings, groups, hosts, accounts, problems)
        taken = self._taken(fleet, path)
        for server in servers if taken else ():
            self.inventory.set_variable(server, TAKEN, untrusted(taken))
        if not taken:
            return fleet
        return build(texts, settings, groups, hosts | taken, accounts, problems)

    def _taken(self, fleet: Fleet, path: str) -> dict[str, str]:
        """Return which new VMs would be taken for something else by their names, and why.

        A VM that has a line in a ledger was there before, and may be named anywhere.
        """
        new = [vm for vm in fleet.vms if vm.name in fleet.new]
        if not new:
            return {}
        later = read_later(path, self.loader)
        taken: dict[str, str] = {}
        for vm in new:
            if vm.name in later.hosts:
                taken[vm.name] = (
                    f"is a host of the inventory too, in a file that comes after {path}; a VM "
                    f"needs a name of its own, and may be named there when its ledger has it"
                )
            elif vm.name in later.groups:
                taken[vm.name] = f"is a group of the inventory, in a file that comes after {path}"
            elif group := self._captured(
                untrusted(vm_variables(vm)), {*self.inventory.groups, *later.groups}
            ):
                taken[vm.name] = (
                    f"would join the group {group} of the inventory by what its order says; give "
                    f"keyed_groups in {path} a prefix of its own"
                )
        return taken

    def _captured(self, variables: dict[str, Any], groups: Collection[str]) -> str | None:
        """Return the group of the inventory that a keyed group of a customer's value would be."""
        name = variables["vmm_name"]
        said = {variables[f"vmm_{field}"] for field in ("owner", "user", "hostname", "name")}
        for keyed in self.get_option("keyed_groups"):
            scratch = InventoryData()
            scratch.add_host(name)
            own, self.inventory = self.inventory, scratch
            try:
                value = self._compose(keyed.get("key"), variables)
                self._add_host_to_keyed_groups([keyed], variables, name, strict=False)
            except AnsibleError:
                continue
            finally:
                self.inventory = own
            joined = {group.name for group in scratch.hosts[name].get_groups()}
            values = value if isinstance(value, list) else [value]
            if said & {item for item in values if isinstance(item, str)}:
                for group in sorted(joined & set(groups) - {"all", "ungrouped"}):
                    return group
        return None

    def _show(self, fleet: Fleet, directory: FleetDirectory, servers: list[str], path: str) -> None:
        for warning in fleet.warnings:
            self.display.warning(str(warning))
        problems = list(dict.fromkeys(map(str, fleet.problems)))
        for problem in problems:
            self.display.error(problem, wrap_text=False)
        if problems:
            self.display.error(
                f"{path}: {len(problems)} problem(s) in {directory.path} and the variables of the "
                f"servers; what they concern is left as it is",
                wrap_text=False,
            )
        for server in servers:
            if own := fleet.problems_of(server):
                self.inventory.set_variable(server, PROBLEMS, untrusted(own))
            if problems:
                self.inventory.set_variable(server, FLEET_PROBLEMS, untrusted(problems))
            if fleet.broken:
                self.inventory.set_variable(server, BROKEN, untrusted(fleet.broken))

    def _add(self, fleet: Fleet, group_of: Mapping[str, str]) -> None:
        self.inventory.add_group(ALL_VMS)
        for server, group in group_of.items():
            self.inventory.add_group(group)
            self.inventory.add_child(ALL_VMS, group)
            if server in fleet.servers:
                self._set(server, server_variables(fleet, server))
        through = {vm.server for vm in fleet.vms if vm.forward}
        addresses = {server: self._variables.address(server) for server in through}
        for vm in fleet.vms:
            self.inventory.add_host(vm.name, group=group_of[vm.server])
            self._set(vm.name, vm_variables(vm, addresses.get(vm.server, "")))
        # Only now, because a variable for a name would go to a group of that name.
        for vm in fleet.vms:
            self._construct(vm.name)

    def _set(self, host: str, variables: Mapping[str, Any]) -> None:
        """Set variables of a host; inventory.set_variable() takes twice the time for each."""
        inventory_host = self.inventory.hosts[host]
        for name, value in variables.items():
            inventory_host.set_variable(name, untrusted(value))

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
