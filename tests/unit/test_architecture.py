# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The packages of the plugins import downwards only, and few floors within each."""

from __future__ import annotations

import ast
import functools
import typing as t
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"
PREFIX = "ansible_collections.puffy.vmm.plugins."

_GRAMMAR = {"_grammar", "_grammar.plain", "_libraries", "_problems"}
_FLEET = {"_fleet", "_fleet.checks", "_fleet.inputs"}
_PURE = _GRAMMAR | _FLEET | {"_formats"}
_STATE = {"_state", "_state.core", "_state.parts", "_state.resources", "_state.text"}
_OF_VMS = {"_machines", "_life", "_installation"}
_ADOPT = {"_adopt", "_adopt.look", "_adopt.read"}
_UPGRADE = {"_upgrade", "_upgrade.core"}
_DOORS = (
    _PURE
    | _UPGRADE
    | {"_agent", "_ansible", "_store", "_dns", "_orders", "_report", "_tasks", "_moves"}
    | {"_backups"}
    | _OF_VMS
    | _ADOPT
    | _STATE
)

# The other packages that each package may import.
ALLOWED: t.Final[t.Mapping[str, set[str]]] = {
    "_problems": set(),
    "_libraries": {"_problems"},
    "_grammar.plain": {"_libraries", "_problems"},
    "_grammar": _GRAMMAR - {"_grammar"},
    "_formats": _GRAMMAR,
    "_fleet.inputs": _GRAMMAR,
    "_fleet.checks": _GRAMMAR | {"_fleet.inputs"},
    "_fleet": _GRAMMAR | _FLEET - {"_fleet"},
    "_agent": _PURE,
    "_ansible": _PURE,
    "_machines": _PURE | {"_agent"},
    "_life": _PURE | {"_agent", "_machines"},
    "_installation": _PURE | {"_agent", "_machines", "_life"},
    "_store": _PURE | {"_ansible"},
    "_moves": _PURE | {"_agent", "_machines", "_life", "_installation", "_store"},
    "_dns": _PURE | {"_ansible", "_store"},
    "_orders": _PURE | {"_store"},
    "_backups": _PURE | {"_agent", "_store"} | _OF_VMS,
    "_state.text": _PURE | {"_agent"},
    "_state.core": _PURE | {"_agent", "_state.text"},
    "_state.parts": _PURE | {"_agent", "_state.text", "_state.core"},
    "_state.resources": _PURE | {"_agent", "_machines", "_store"} | (_STATE - {"_state"}),
    "_state": _PURE | {"_agent", "_state.core", "_state.resources"},
    "_adopt.read": _PURE,
    "_adopt.look": _PURE | {"_agent", "_machines", "_state.text", "_adopt.read"},
    "_adopt": _PURE | {"_adopt.look", "_adopt.read"},
    "_report": _PURE | {"_agent", "_machines", "_state"},
    "_upgrade.core": _PURE | {"_agent", "_machines"},
    "_upgrade": _PURE | {"_agent", "_machines", "_life", "_installation", "_upgrade.core"},
    "_tasks": _DOORS - {"_orders", "_backups", "_report", "_tasks", "_moves", *_ADOPT} - _UPGRADE,
    "action": _DOORS,
    "filter": _DOORS,
    "inventory": _DOORS,
    "become": set(),
    "doc_fragments": set(),
    "modules": set(),
}
# These are tested as plain functions: no module of theirs has Ansible behind it, however far.
WITHOUT_ANSIBLE: t.Final = (
    _PURE
    | {"_agent", "_orders", "_backups", "_report", "_moves"}
    | _OF_VMS
    | _STATE
    | _UPGRADE
    | _ADOPT
)
# So many modules deep may the imports within a package go.
FLOORS: t.Final = 3


class Module(t.NamedTuple):
    package: str
    imports: frozenset[str]
    ansible: tuple[str, ...]


def _names(node: ast.AST) -> t.Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        assert node.level == 0, "imports are absolute here"
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _for_types_alone(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _nodes(node: ast.AST) -> t.Iterator[ast.AST]:
    """All nodes, without those that only a type checker reads."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not _for_types_alone(child):
            yield from _nodes(child)


def _name(path: Path) -> str:
    return ".".join(path.relative_to(PLUGINS).with_suffix("").parts)


def _package(name: str) -> str:
    """The folder that a module is in: `_state.resources` for plugin_utils._state.resources.pf."""
    parts = name.split(".")
    if parts[0] in ("plugin_utils", "module_utils"):
        parts = parts[1:]
    return ".".join(parts[:-1]) or parts[0]


@functools.cache
def modules() -> dict[str, Module]:
    names = {_name(path): path for path in PLUGINS.rglob("*.py")}
    read = {}
    for name, path in names.items():
        tree = ast.parse(path.read_text())
        imported = {x for node in ast.walk(tree) for x in _names(node)}
        ours = {x.removeprefix(PREFIX) for x in imported if x.startswith(PREFIX)}
        ansible = tuple(
            x
            for node in _nodes(tree)
            for x in _names(node)
            if x.split(".")[0] == "ansible"
            or (x.startswith("ansible_collections.") and not x.startswith(PREFIX))
        )
        read[name] = Module(_package(name), frozenset(ours & names.keys()), ansible)
    return read


PACKAGES = sorted({module.package for module in modules().values()})


def test_all_packages_are_known() -> None:
    assert set(PACKAGES) == ALLOWED.keys()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_what_is_below_it(package: str) -> None:
    wrong = [
        f"{name} imports {other}"
        for name, module in modules().items()
        for other in module.imports
        if module.package == package and _package(other) not in ALLOWED[package] | {package}
    ]
    assert wrong == []


def _longest(start: str, onwards: t.Callable[[str], t.Iterable[str]]) -> list[str]:
    """The longest way down. Fails where there is a circle."""

    @functools.cache
    def down(name: str) -> list[str]:
        assert name not in under_way, f"a circle: {' -> '.join([*under_way, name])}"
        under_way.append(name)
        ways = [down(other) for other in sorted(onwards(name))]
        under_way.pop()
        return [name, *max(ways, key=len, default=[])]

    under_way: list[str] = []
    return down(start)


def test_no_packages_import_each_other() -> None:
    edges: dict[str, set[str]] = {package: set() for package in PACKAGES}
    for module in modules().values():
        edges[module.package] |= {_package(other) for other in module.imports} - {module.package}
    for package in PACKAGES:
        _longest(package, edges.__getitem__)
        assert edges[package] <= ALLOWED[package]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_floors_of_a_package(package: str) -> None:
    own = [name for name, module in modules().items() if module.package == package]
    ways = [
        _longest(
            name,
            lambda name_of_module: [
                x for x in modules()[name_of_module].imports if _package(x) == package
            ],
        )
        for name in own
    ]
    deepest = max(ways, key=len)
    assert len(deepest) <= FLOORS, " -> ".join(deepest)


@pytest.mark.parametrize(
    "name",
    sorted(
        name
        for name, name_of_module in modules().items()
        if name_of_module.package in WITHOUT_ANSIBLE
    ),
)
def test_nothing_of_ansible_is_behind_it(name: str) -> None:
    behind, left = set[str](), [name]
    while left:
        name_of_module = left.pop()
        if name_of_module not in behind:
            behind.add(name_of_module)
            left += modules()[name_of_module].imports
    users = {
        name_of_module: modules()[name_of_module].ansible
        for name_of_module in behind
        if modules()[name_of_module].ansible
    }
    assert users == {}
