# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.server_variables import (
    InventoryVariables,
    settings_of,
)


def settings(
    directory: Path, files: Mapping[str, Any], extra: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], list[str]]:
    """The settings of server1 in an inventory of these files."""
    for name, content in files.items():
        path = directory / f"{name}.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(content))
    loader = DataLoader()
    inventory = InventoryManager(loader, sources=[str(directory / "hosts.yml")])
    variables = InventoryVariables(inventory._inventory, loader, [str(directory)], extra or {})
    found, problems = variables.settings("server1")
    return found, [str(problem) for problem in problems]


HOSTS: dict[str, Any] = {"vmd_servers": {"hosts": {"server1": {}}}}

# From the weakest to the strongest, as Ansible documents it.
PLACES = (
    "all in hosts.yml",
    "vmd_servers in hosts.yml",
    "group_vars/all",
    "group_vars/parent",
    "group_vars/vmd_servers",
    "server1 in hosts.yml",
    "host_vars/server1",
)


@pytest.mark.parametrize("strongest", range(len(PLACES)), ids=PLACES)
def test_precedence_is_that_of_ansible(tmp_path: Path, strongest: int) -> None:
    def value(place: str) -> dict[str, int]:
        level = PLACES.index(place)
        return {"vmm_tap_count": level} if level <= strongest else {}

    files: dict[str, Any] = {place: value(place) for place in PLACES if "/" in place}
    files["hosts"] = {
        "all": {"vars": value("all in hosts.yml")},
        "parent": {"children": {"vmd_servers": {}}},
        "vmd_servers": {
            "hosts": {"server1": value("server1 in hosts.yml")},
            "vars": value("vmd_servers in hosts.yml"),
        },
    }
    assert settings(tmp_path, files) == ({"vmm_tap_count": strongest}, [])


def test_the_command_line_wins(tmp_path: Path) -> None:
    files = {"hosts": HOSTS, "host_vars/server1": {"vmm_tap_count": 6}}
    assert settings(tmp_path, files, {"vmm_tap_count": 7})[0] == {"vmm_tap_count": 7}


def test_operators_may_use_templates(tmp_path: Path) -> None:
    files = {
        "hosts": HOSTS,
        "group_vars/vmd_servers": {
            "number": 6,
            "domain": "example.org",
            "vmm_ipv6_network": "2001:db8:{{ number }}::/64",
            "vmm_sets_server": "{{ inventory_hostname }}.{{ domain }}",
            "vmm_reserved": ["{{ number }}", {"a": "{{ group_names }}"}],
            "vmm_tap_count": "{{ groups['vmd_servers'] | length }}",
        },
    }
    found, problems = settings(tmp_path, files)
    assert problems == []
    assert found["vmm_ipv6_network"] == "2001:db8:6::/64"
    assert found["vmm_sets_server"] == "server1.example.org"
    assert type(found["vmm_sets_server"]) is str
    assert found["vmm_reserved"][1] == {"a": ["vmd_servers"]}
    # Before 2.19, what a template gives is text.
    assert found["vmm_tap_count"] in (1, "1")
    assert type(found["vmm_tap_count"]) in (int, str)


def test_what_cannot_be_evaluated_is_a_problem_of_the_server(tmp_path: Path) -> None:
    variables = {"vmm_domain": "{{ nowhere }}", "vmm_tap_count": 1}
    files = {"hosts": HOSTS, "host_vars/server1": variables}
    found, problems = settings(tmp_path, files)
    assert found == {"vmm_domain": None, "vmm_tap_count": 1}
    (problem,) = problems
    assert problem.startswith("server1: vmm_domain: cannot be evaluated: ")
    assert "'nowhere' is undefined" in problem
    assert "\n" not in problem


def test_other_variables_with_the_prefix_are_names_only(tmp_path: Path) -> None:
    files = {"hosts": HOSTS, "host_vars/server1": {"vmm_credentials": "{{ nowhere }}"}}
    assert settings(tmp_path, files) == ({"vmm_credentials": None}, [])
    assert settings_of("a", {"vmm_credentials": 1}) == ({"vmm_credentials": None}, [])


def test_what_the_plugin_gave_is_no_setting() -> None:
    given = {"vmm_fleet_directory": "/x", "vmm_vms": [], "vmm_owners": [], "vmm_host": {}}
    more = {"vmm_problems": [], "vmm_sets": ("+a", "+b"), "other": 3}
    assert settings_of("server1", given | more) == ({"vmm_sets": ["+a", "+b"]}, [])
