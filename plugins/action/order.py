# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.order: an order, checked against the fleet and the inventory as it is."""

from __future__ import annotations

import typing as t
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import LONGEST_FILE
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
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
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import ORDERS
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.files import Unreadable, read_file
from ansible_collections.puffy.vmm.plugins.plugin_utils._tasks.fleet_directory import task_fleet

_LOCK_SECONDS: t.Final = 60.0


class ActionModule(Action):
    """Checks an order and writes it into the fleet directory, on the controller alone."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "src": {"type": "path", "required": True},
        "name": {"type": "str"},
        "server": {"type": "str"},
        "accept": {"type": "bool", "default": False},
        "servers": {"type": "str", "default": "vmd_servers"},
        "fail": {"type": "bool", "default": True},
    }

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        of_task = task_fleet(task_vars, args["servers"])
        fleet, inventory = of_task.directory, of_task.inventory
        if args["server"] and args["server"] not in of_task.servers:
            raise OperatorError(f"server: {args['server']} is not in the group {args['servers']}")
        if args["accept"] and not args["server"]:
            raise OperatorError("accept: needs server, which the VM file names")
        src = Path(args["src"])
        order = _read(src, args["name"] or src.stem)
        file = f"{order.name}.yml"
        with nullcontext() if self.check_mode else orders_locked(fleet.path, _LOCK_SECONDS):
            texts = fleet.read()
            # The same order may have been written before.
            known = texts.orders.get(file)
            again = known is not None and known == order.render()
            own = again or src.resolve() == (fleet.path / ORDERS / file).resolve()
            faults = Situation(texts, inventory.kept, args["server"]).faults(order, own=own)
            accept_on = args["server"] if args["accept"] else None
            files = {} if faults else missing(order, texts, own=own, accept_on=accept_on)
            if not self.check_mode:
                faults = faults or place(fleet.path, order.name, files)
        return _result(order, faults, files, args["fail"])


def _read(src: Path, name: str) -> Order:
    try:
        return read_content(read_file(src, LONGEST_FILE), name)
    except Unreadable as reason:
        raise OperatorError(f"{src}: {reason}") from reason


def _result(
    order: Order, faults: t.Sequence[Fault], files: t.Mapping[str, str], fail: bool
) -> dict[str, t.Any]:
    result = {
        "changed": bool(files) and not faults,
        "name": order.name,
        "files": [f"{folder}/{order.name}.yml" for folder in ([] if faults else files)],
        "problems": [asdict(fault) for fault in faults],
    }
    if faults and fail:
        lines = (
            ": ".join(filter(None, (fault.field, fault.message, fault.detail))) for fault in faults
        )
        result |= {"failed": True, "msg": "\n".join(lines)}
    return result
