# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Site sets of a fleet: what the installer unpacks last in every new VM, and in a single one.

Below site/ of the fleet directory, common/ is for all VMs and hosts/NAME/ for the VM of that name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._formats.site_archive import (
    PROGRAM_MODE,
    Entry,
    pack,
    set_name,
    short_name,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import matching
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.server import release
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.ssh_keys import parse_ssh_key
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, Report, shown_name
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import VMS
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.site_tree import read_tree

SITE = "site"
COMMON = "common"
HOSTS = "hosts"
SCRIPT = "install.site"
KEYS = "install.site.keys"
INDEX = "index.txt"


@dataclass(frozen=True)
class Recipe:
    """What site sets are built from.

    script is the text of install.site, unless the operator has a file of that name; modes has the
    permission bits of paths in a set, where they are not 0644 or 0755.
    """

    fleet: Path
    release: str
    script: str | None
    vms: tuple[Mapping[str, object], ...]
    modes: Mapping[str, str]
    listed: tuple[str, ...] = ()


def recipe(args: Mapping[str, Any], render: Callable[[str, Mapping[str, Any]], str]) -> Recipe:
    """Return what checked, plain arguments describe; render turns a template's name into text."""
    script = render(args["template"], {}) if args.get("template") else None
    return Recipe(
        Path(args["fleet"]),
        str(args["release"]),
        script,
        tuple(args.get("vms") or ()),
        args.get("modes") or {},
        tuple(args.get("listed") or ()),
    )


def own_sets(release: str) -> str:
    """Return the glob that the names of all sets of single VMs match."""
    return set_name(release, "*")


def build(recipe: Recipe) -> dict[str, bytes]:
    """Return the site sets and index.txt by their names. Raises Problems with all problems."""
    report = Report()
    report.attempt("", "release", release, recipe.release)
    site = recipe.fleet / SITE
    modes = _modes(recipe.modes, site, report)
    common = read_tree(site / COMMON, f"{SITE}/{COMMON}", report)
    if recipe.script is not None:
        common.setdefault(SCRIPT, Entry(recipe.script.encode(), PROGRAM_MODE))
    trees = {set_name(recipe.release): common}
    _refuse_strangers(recipe.fleet, report)
    taken: dict[str, str] = {}
    for vm in recipe.vms:
        name, hostname = str(vm["name"]), str(vm["hostname"])
        own = report.about(vms={name})
        other = taken.setdefault(short_name(hostname).lower(), name)
        if other != name:
            own.add(
                f"{VMS}/{name}.yml",
                "hostname",
                f"begins with {short_name(hostname)} as that of {other} does, and the installer "
                f"knows a VM's own site set by that alone; install one after the other",
            )
        source = f"{SITE}/{HOSTS}/{name}"
        tree = read_tree(site / HOSTS / name, source, own)
        if KEYS in tree:
            own.add(f"{source}/{KEYS}", "", "is written by this collection; rename it")
        tree[KEYS] = Entry(_keys(name, vm["ssh_keys"], own))
        trees[set_name(recipe.release, hostname)] = tree
    report.raise_problems()
    sets = {}
    for name, tree in trees.items():
        entries = (
            (path, replace(entry, mode=modes.get(path, entry.mode))) for path, entry in tree.items()
        )
        try:
            sets[name] = pack(entries)
        except Refused as refused:
            report.add(name, "", str(refused))
    report.raise_problems()
    return {**sets, INDEX: index(sets, recipe.listed).encode()}


def index(sets: Mapping[str, bytes], listed: Iterable[str] = ()) -> str:
    """Return index.txt; the installer takes the last word of each line as a file name.

    It knows the sets of the release from SHA256.sig if that is signed, and otherwise from here too
    (install.sub, install_http). listed are those beside the site sets.
    """
    sizes = {name: str(len(content)) for name, content in sets.items()}
    return "".join(
        f"-rw-r--r--  1 root  wheel  {size:>10} Jan  1 00:00:00 2000 {name}\n"
        for name, size in sorted({**dict.fromkeys(listed, "?"), **sizes}.items())
    )


def _keys(name: str, keys: object, report: Report) -> bytes:
    """Return all keys of a VM's user: the response file has room for only one."""
    lines = []
    for key in keys if isinstance(keys, Iterable) else ():
        parsed = report.attempt(
            f"{VMS}/{name}.yml", "ssh_keys", lambda k: parse_ssh_key(str(k)), key
        )
        lines.append(f"{parsed}\n")
    return "".join(lines).encode("ascii", "replace")


def _modes(modes: Mapping[str, str], site: Path, report: Report) -> dict[str, int]:
    all_bits = {}
    trees = [site / COMMON, *sorted((site / HOSTS).glob("*"))]
    for path, mode in modes.items():
        bits = report.attempt("", f"modes: {shown_name(path)}", _mode, mode)
        if path != SCRIPT and not any((tree / path).is_file() for tree in trees):
            report.add("", f"modes: {shown_name(path)}", f"there is no such file below {SITE}/")
        if bits is not None:
            all_bits[path] = bits
    return all_bits


def _mode(value: object) -> int:
    wrong = (
        "is not a mode of a file; use four octal digits, a zero first and quoted, such as '0600'"
    )
    return int(matching(value, "0[0-7]{3}", wrong), 8)


def _refuse_strangers(fleet: Path, report: Report) -> None:
    """Report directories for VMs that do not exist: their names are mistyped."""
    directory = fleet / SITE / HOSTS
    for place in sorted(directory.iterdir()) if directory.is_dir() else ():
        if place.name != ".gitkeep" and not (fleet / VMS / f"{place.name}.yml").is_file():
            name = shown_name(place.name)
            report.add(f"{SITE}/{HOSTS}/{name}", "", f"there is no VM {name}; rename or remove it")
