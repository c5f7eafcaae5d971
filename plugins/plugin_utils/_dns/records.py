# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Which name gets which SSHFP records, from the arguments that two actions share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._formats.sshfp import (
    LONGEST_TTL,
    absolute_name,
    absolute_zone,
    parse_fragment,
    records,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.names import host_label
from ansible_collections.puffy.vmm.plugins.module_utils._problems import (
    OperatorError,
    Problem,
    Problems,
    Refused,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.server_variables import (
    FLEET_DIRECTORY,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.files import Unreadable, read_file
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.host_keys import (
    HostKeyError,
    HostKeyFiles,
)

# Some hundred bytes a record, for the fullest of fleets.
_LIMIT = 64 * 1024 * 1024

SPEC: dict[str, dict[str, Any]] = {
    "zone": {"type": "str", "required": True},
    "names": {"type": "dict", "default": {}},
    "vms": {"type": "list", "elements": "str", "default": []},
    "vm_domain": {"type": "str"},
    "all_vms": {"type": "list", "elements": "str"},
    "fragment": {"type": "path"},
    "fleet": {"type": "path"},
    "ttl": {"type": "int", "default": 3600},
}


def desired_records(
    args: Mapping[str, Any], task_vars: Mapping[str, Any]
) -> tuple[str, dict[str, frozenset[str]]]:
    """Return the absolute zone, and the records that each absolute name should have.

    A VM whose keys are not known yet is left out. Raises OperatorError.
    """
    problems: list[Problem] = []
    desired: dict[str, frozenset[str]] = {}
    try:
        zone = absolute_zone(args["zone"])
    except Refused as refused:
        raise OperatorError(f"zone: {refused}") from refused
    if not 0 <= args["ttl"] <= LONGEST_TTL:
        raise OperatorError(f"ttl: {args['ttl']} is not a TTL; use seconds from 0 to {LONGEST_TTL}")
    names: Any = plain(args["names"])
    for name, keys in names.items():
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            problems.append(Problem("names", name, "must be a list of public keys, a line each"))
            continue
        try:
            owner = absolute_name(name, zone)
            desired[owner] = desired.get(owner, frozenset()) | records(keys)
        except Refused as refused:
            problems.append(Problem("names", name, str(refused)))
    for name, keys in _keys_of_vms(args, task_vars, problems).items():
        try:
            owner = absolute_name(f"{host_label(name)}.{args['vm_domain']}", zone)
            if owner in desired:
                raise Refused(f"{owner} is the name of something else already; choose another")
            desired[owner] = records(keys)
        except Refused as refused:
            problems.append(Problem("vms", name, str(refused)))
    if problems:
        raise Problems(problems)
    return zone, dict.fromkeys(_gone(args, zone), frozenset()) | desired


def _gone(args: Mapping[str, Any], zone: str) -> Iterator[str]:
    """Yield the names in the domain of the VMs that the fragment has, but no VM of the fleet.

    Where that domain is the whole zone, nobody knows whose other names are. Raises OperatorError.
    """
    domain = f"{args['vm_domain'] or ''}".removesuffix(".").lower()
    if args["all_vms"] is None or not args["fragment"] or not domain or f"{domain}." == zone:
        return
    known = {host_label(name) for name in plain(args["all_vms"])}
    for name in fragment_records(Path(args["fragment"])):
        label, _dot, rest = name.partition(".")
        if rest == f"{domain}." and label not in known:
            yield name


def fragment_text(path: Path) -> str:
    """Return the text of a fragment, empty where there is none. Raises OperatorError."""
    try:
        exists = path.exists() or path.is_symlink()
        return read_file(path, _LIMIT).decode("ascii", "replace") if exists else ""
    except Unreadable as error:
        raise OperatorError(f"{path}: {error}") from error


def fragment_records(path: Path) -> dict[str, tuple[int, frozenset[str]]]:
    """Return the TTL and records of each name in a fragment. Raises OperatorError."""
    try:
        return parse_fragment(fragment_text(path))
    except Refused as error:
        raise OperatorError(f"{path}: {error}") from error


def _keys_of_vms(
    args: Mapping[str, Any], task_vars: Mapping[str, Any], problems: list[Problem]
) -> dict[str, tuple[str, ...]]:
    if not args["vms"]:
        return {}
    fleet = args["fleet"] or plain(task_vars.get(FLEET_DIRECTORY))
    if not fleet:
        raise OperatorError("vms: the inventory names no fleet directory; give it as fleet")
    if not args["vm_domain"]:
        raise OperatorError("vm_domain: is missing; give the domain in which VMs have their names")
    files = HostKeyFiles(Path(fleet))
    vms = {}
    for name in plain(args["vms"]):
        try:
            keys = files.read(name)
        except (HostKeyError, Refused) as error:
            problems.append(Problem("vms", str(name), str(error)))
        else:
            if keys:
                vms[name] = keys
    return vms
