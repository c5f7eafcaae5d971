# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The vmm_* variables of the servers: from the inventory while it is read, and from a task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleError
from ansible.inventory.helpers import get_group_vars, sort_groups
from ansible.template import Templar
from ansible.utils.vars import combine_vars
from ansible.vars.plugins import get_vars_from_inventory_sources
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.server import (
    PREFIX,
    VARIABLES,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.variables import SERVER_VARIABLES
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Problem
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain

if TYPE_CHECKING:
    from ansible.inventory.data import InventoryData
    from ansible.inventory.host import Host
    from ansible.parsing.dataloader import DataLoader

# What the inventory plugin itself gives a server, and so is no setting of it.
FLEET_DIRECTORY = "vmm_fleet_directory"
PROBLEMS = "vmm_problems"
# All problems there are, for every server, whomever they concern.
FLEET_PROBLEMS = "vmm_fleet_problems"
# The problems of VMs by their names, and names that no VM can have, each with why.
BROKEN = "vmm_broken_vms"
TAKEN = "vmm_taken_names"
RESULTS = frozenset({FLEET_DIRECTORY, PROBLEMS, FLEET_PROBLEMS, BROKEN, TAKEN, *SERVER_VARIABLES})

# Accounts of a server that do not belong to owners, by the variable that names them.
_ACCOUNTS = dict.fromkeys(
    ("ansible_user", "ansible_ssh_user"), "the account that Ansible logs in to"
)
_ADDRESSES = ("ansible_ssh_host", "ansible_host")
_PORTS = ("ansible_ssh_port", "ansible_port")
_RESERVED_PORTS = "vmm_reserved_ports"


def settings_of(server: str, variables: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Return the settings among a server's variables as plain data, and what is wrong with them.

    The variables of a task evaluate their templates when they are read. Other variables that begin
    with vmm_ may be misspelled settings; only their names matter.
    """
    return _read(server, variables, lambda name: variables[name])


def accounts_of(variables: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of a server's accounts that are not an owner's, each with what it is."""
    accounts: dict[str, str] = {}
    for variable, what in _ACCOUNTS.items():
        with suppress(AnsibleError):
            name = plain(variables.get(variable))
            accounts |= {name: f"{what} ({variable})"} if isinstance(name, str) else {}
    return accounts


def _read(
    server: str, variables: Mapping[str, Any], value: Callable[[str], Any]
) -> tuple[dict[str, Any], list[Problem]]:
    settings: dict[str, Any] = {}
    problems: list[Problem] = []
    for variable in sorted(_settings(variables)):
        settings[variable] = None
        if variable in VARIABLES:
            try:
                settings[variable] = plain(value(variable))
            except AnsibleError as error:
                text = " ".join(f"cannot be evaluated: {error}".split())
                problems.append(Problem(server, variable, text, server=server))
    for variable in _PORTS if _RESERVED_PORTS not in variables else ():
        with suppress(AnsibleError, KeyError):
            # The port that Ansible connects to is the server's own too.
            settings[_RESERVED_PORTS] = list(dict.fromkeys(["22", str(plain(value(variable)))]))
    return settings, problems


class InventoryVariables:
    """Variables of hosts as a play would see them, while the inventory is still being read.

    sources are the inventory sources read so far; extra holds the variables of the command line.
    Variables beside a playbook are not known yet.
    """

    def __init__(
        self,
        inventory: InventoryData,
        loader: DataLoader,
        sources: Iterable[str],
        extra: Mapping[str, Any],
    ) -> None:
        self._inventory = inventory
        self._loader = loader
        self._sources = tuple(sources)
        self._extra = extra

    def settings(self, name: str) -> tuple[dict[str, Any], list[Problem]]:
        """Return the settings of a server, evaluated, and those that cannot be evaluated."""
        variables, templar = self._of(name)
        return _read(name, variables, lambda variable: templar.template(variables[variable]))

    def accounts(self, name: str) -> dict[str, str]:
        """Return the names of a server's accounts that are not an owner's, each with what it is."""
        variables, templar = self._of(name)
        named = {variable: variables[variable] for variable in _ACCOUNTS if variable in variables}
        with suppress(AnsibleError):
            return accounts_of(templar.template(named))
        return {}

    def address(self, name: str) -> str:
        """Return where Ansible connects to a server: its ansible_host, or its name."""
        variables, templar = self._of(name)
        for variable in _ADDRESSES:
            with suppress(AnsibleError):
                if isinstance(address := plain(templar.template(variables.get(variable))), str):
                    return address
        return name

    def _of(self, name: str) -> tuple[dict[str, Any], Templar]:
        variables = self._variables(self._inventory.hosts[name])
        return variables, Templar(loader=self._loader, variables=variables)

    def _variables(self, host: Host) -> dict[str, Any]:
        """Combine in the order of precedence that Ansible documents for inventory variables."""
        everything = self._inventory.groups["all"]
        groups = sort_groups(group for group in host.get_groups() if group.name != "all")
        variables: dict[str, Any] = {}
        for layer in (
            everything.get_vars(),
            get_group_vars(groups),
            self._from_plugins([everything]),
            self._from_plugins(groups),
            host.get_vars(),
            self._from_plugins([host]),
            self._extra,
            {
                "inventory_hostname": host.name,
                "inventory_hostname_short": host.name.split(".")[0],
                "group_names": sorted(group.name for group in groups),
                "groups": self._inventory.get_groups_dict(),
            },
        ):
            variables = combine_vars(variables, layer)
        return variables

    def _from_plugins(self, entities: list[Any]) -> Mapping[str, Any]:
        variables: Mapping[str, Any] = get_vars_from_inventory_sources(
            self._loader, self._sources, entities, "all"
        )
        return variables


def _settings(variables: Mapping[str, Any]) -> Iterable[str]:
    return (name for name in variables if name.startswith(PREFIX) and name not in RESULTS)
