# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The command bin/check-vm, for what receives orders: a web form's back end, or a person."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.inventory_copy import (
    FILE_NAME,
    read_inventory,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import LONGEST_FILE, SUFFIX
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError, shown_text
from ansible_collections.puffy.vmm.plugins.plugin_utils._orders.check import Situation
from ansible_collections.puffy.vmm.plugins.plugin_utils._orders.document import (
    Fault,
    Order,
    read_content,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._orders.place import (
    missing,
    orders_locked,
    place,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import (
    ORDERS,
    FleetDirectory,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.files import Unreadable, read_file

FINE, REFUSED, FAILED = 0, 1, 2

_STANDARD_INPUT = "-"
_PATIENCE = 10.0  # seconds

_EPILOG = """\
The answer is a list in JSON on standard output, empty if nothing is wrong:
  [{"file": "-", "field": "memory", "message": "'2 GB' is not a valid size; ..."}]
field is empty where something concerns the order as a whole. Messages are for the customer; what
only the operator should see of others is on standard error.

exit status:
  0  nothing is wrong; with --write, all orders have been written
  1  something is wrong with an order, which was not written
  2  the command or the fleet directory cannot be used: standard error says why
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Check orders and say what is wrong with them. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="check-vm",
        description="Check orders of VMs against the customers' grammar and against a fleet.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="an order in YAML or JSON, named NAME.yml or NAME.json after its VM; - for standard "
        "input, where the order has the VM's name in a field, name",
    )
    parser.add_argument(
        "--fleet",
        metavar="DIR",
        type=Path,
        help="the fleet directory; by default the one whose orders/ has FILE, or else the current "
        "directory",
    )
    parser.add_argument(
        "--server", metavar="NAME", help="the server that orders go to; any of them by default"
    )
    parser.add_argument(
        "--write", action="store_true", help="write orders that are sound to orders/ of the fleet"
    )
    parser.add_argument(
        "--accept",
        action="store_true",
        help="with --write and --server: also write vms/NAME.yml, so that the next run makes the "
        "VM without anybody having looked at the order",
    )
    options = parser.parse_args(arguments)
    if options.accept and not (options.write and options.server):
        parser.error("--accept needs --write and --server")
    try:
        faults = _check_all(options)
    except OperatorError as error:
        _say(str(error))
        print(json.dumps([{"file": "", "field": "", "message": "try again later"}]))
        return FAILED
    print(json.dumps(faults))
    return REFUSED if faults else FINE


@dataclass(frozen=True)
class _Source:
    """A file with an order, or standard input; own says that it lies in the fleet directory."""

    path: str
    name: str | None
    own: bool


def _check_all(options: argparse.Namespace) -> list[dict[str, str]]:
    path = options.fleet or _fleet_of(options.files)
    fleet = FleetDirectory(path)
    answer = []
    with orders_locked(path, _PATIENCE) if options.write else nullcontext():
        texts = fleet.read()
        inventory = read_inventory(texts.inventory) if texts.inventory else None
        if inventory is None:
            _say(
                f"{path / FILE_NAME} is missing or damaged, so nothing is known of servers: run "
                f"ansible-playbook puffy.vmm.allocate"
            )
        if options.server and options.server not in (inventory.settings if inventory else ()):
            raise OperatorError(f"--server: {path / FILE_NAME} has no server {options.server}")
        for word in options.files:
            source = _source(word, path)
            order, faults = _read(source)
            situation = Situation(texts, inventory, options.server)
            faults = faults or situation.faults(order, own=source.own)
            if not faults and options.write:
                accept_on = options.server if options.accept else None
                files = missing(order, texts, own=source.own, accept_on=accept_on)
                faults = place(path, order.name, files)
            if not faults:
                # The next order is checked with this one among the others.
                ordered = {**texts.orders, f"{order.name}{SUFFIX}": order.render()}
                texts = replace(texts, orders=ordered)
            for fault in faults:
                answer.append({"file": word, "field": fault.field, "message": fault.message})
                if fault.detail:
                    _say(f"{order.name or word}: {fault.field}: {fault.detail}")
    return answer


def _fleet_of(files: Sequence[str]) -> Path:
    for word in files:
        if word != _STANDARD_INPUT and Path(word).absolute().parent.name == ORDERS:
            return Path(word).absolute().parent.parent
    return Path()


def _source(word: str, fleet: Path) -> _Source:
    if word == _STANDARD_INPUT:
        return _Source(word, None, False)
    path = Path(word)
    try:
        own = os.path.samestat(path.lstat(), (fleet / ORDERS / path.name).lstat())
    except OSError:
        own = False
    return _Source(word, path.name.removesuffix(path.suffix), own)


def _read(source: _Source) -> tuple[Order, list[Fault]]:
    if source.name is None:
        return read_content(_standard_input(), None), []
    try:
        content = read_file(source.path, LONGEST_FILE)
    except Unreadable as reason:
        return Order(source.name, {}), [Fault("", str(reason))]
    return read_content(content, source.name), []


def _standard_input() -> bytes:
    try:
        with open(0, "rb", closefd=False) as file:
            return file.read(LONGEST_FILE + 1)
    except OSError as error:
        raise OperatorError(f"standard input: {error.strerror}") from error


def _say(text: str) -> None:
    print(f"check-vm: {shown_text(text)}", file=sys.stderr)
