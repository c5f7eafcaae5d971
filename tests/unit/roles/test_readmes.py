# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Each role's README lists its present variables, and each variable has a default."""

from __future__ import annotations

import importlib.util
import re
import types
from pathlib import Path

import pytest
import yaml


def _load() -> types.ModuleType:
    path = Path(__file__).parents[3] / "tools/role_readmes.py"
    spec = importlib.util.spec_from_file_location("role_readmes", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


READMES = _load()


@pytest.mark.parametrize("role", READMES.roles(), ids=lambda role: role.name)
def test_readme_is_current(role: Path) -> None:
    assert (role / "README.md").read_text() == READMES.readme(role)


@pytest.mark.parametrize("role", READMES.roles(), ids=lambda role: role.name)
def test_specs_and_defaults_name_the_same_variables(role: Path) -> None:
    spec = yaml.safe_load((role / "meta/argument_specs.yml").read_text())
    options = spec["argument_specs"]["main"].get("options", {})
    required = {name for name, option in options.items() if option.get("required")}
    defaults = yaml.safe_load((role / "defaults/main.yml").read_text()) or {}
    assert set(defaults) == set(options) - required


@pytest.mark.parametrize("role", READMES.roles(), ids=lambda role: role.name)
def test_a_role_is_one_task(role: Path) -> None:
    tasks = yaml.safe_load((role / "tasks/main.yml").read_text())
    (task,) = tasks
    assert task["puffy.vmm.configure"] == {"roles": [role.name], "life": False}
    assert f"{role.name}_document" in yaml.safe_load((role / "vars/main.yml").read_text())


def test_each_role_is_in_the_documentation() -> None:
    text = (Path(__file__).parents[3] / "docs/roles.md").read_text()
    named = re.findall(r"^\| \[(\w+)\]\(\.\./roles/(\w+)/README\.md\) \|", text, re.MULTILINE)
    assert [first for first, _ in named] == [second for _, second in named]
    listed = yaml.safe_load((READMES.ROLES.parent / "playbooks/vars/server_roles.yml").read_text())
    # In the order in which site.yml goes through them.
    assert [name for name, _ in named] == [*listed["server_roles"], "sshfp"]
    assert sorted(name for name, _ in named) == [role.name for role in READMES.roles()]
    assert sorted(path.name for path in READMES.ROLES.iterdir()) == [
        role.name for role in READMES.roles()
    ]


@pytest.mark.parametrize("role", READMES.roles(), ids=lambda role: role.name)
def test_a_role_has_what_each_role_has(role: Path) -> None:
    for name in ("defaults/main.yml", "meta/main.yml", "tasks/main.yml", "README.md"):
        assert (role / name).is_file(), name
    readme = (role / "README.md").read_text()
    assert readme.startswith(f"# {role.name}\n\n")


# Roles of which render.yml writes nothing for the example.
NO_FILES = {"metrics", "rad", "tap", "sets", "sshfp"}
GOLDEN = {
    "sysctl": "etc/sysctl.conf",
    "network": "etc/hostname.veb42",
    "pf": "etc/pf.puffy.vmm.conf",
    "accounts": "etc/ssh/owners/mira",
    "vmd": "etc/vm.conf",
    "dhcpd": "etc/dhcpd.conf",
    "httpd": "etc/httpd.conf",
    "autoinstall": "var/www/htdocs/install",
    "sensorsd": "etc/sensorsd.conf",
}


def test_what_each_role_writes_is_kept() -> None:
    assert set(GOLDEN) | NO_FILES == {role.name for role in READMES.roles()}
    for path in GOLDEN.values():
        assert (Path(__file__).parents[2] / "golden/example/server1" / path).exists(), path
