# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Puts orders into the fleet directory: each in one step, and never in place of another file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._orders.document import NAME, Fault, Order
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import (
    ORDERS,
    VMS,
    FleetTexts,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.files import (
    Unreadable,
    create_file,
    open_directory,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.lock import wait_for


class NotPlaced(OperatorError):
    """The directory for orders cannot be used."""


@contextmanager
def orders_locked(fleet: Path, patience: float) -> Iterator[None]:
    """Be the only one who checks and places orders. Waits up to patience seconds. Raises NotPlaced.

    What is locked is the directory, so that accounts which may not write each other's files can
    take turns.
    """
    try:
        if (fleet / VMS).is_dir():
            (fleet / ORDERS).mkdir(mode=0o755, exist_ok=True)
        directory = open_directory(fleet / ORDERS)
    except Unreadable as reason:
        raise NotPlaced(f"{fleet / ORDERS}: {reason}") from reason
    except OSError as error:
        raise NotPlaced(f"{error.filename}: {error.strerror}") from error
    try:
        if not wait_for(directory, patience):
            raise NotPlaced(
                f"{fleet / ORDERS}: other orders are being checked; waited {patience:g} seconds"
            )
        yield
    finally:
        os.close(directory)


def missing(order: Order, texts: FleetTexts, *, own: bool, accept_on: str | None) -> dict[str, str]:
    """Return what has to be written for an order without faults: texts by directory.

    own says that the order is in the fleet directory already. accept_on is the server that the VM
    file names which accepts the order; without it none is written.
    """
    texts_of = {} if own else {ORDERS: order.render()}
    accepted = own and f"{order.name}.yml" in texts.vms
    return texts_of | ({VMS: f"server: {accept_on}\n"} if accept_on and not accepted else {})


def place(fleet: Path, name: str, texts: Mapping[str, str]) -> list[Fault]:
    """Write the files of this VM, texts by directory.

    The caller holds the lock. If there is such a file already, writes none and returns a fault.
    Raises NotPlaced.
    """
    file = f"{name}.yml"
    placed: list[Path] = []
    try:
        for folder, text in texts.items():
            path = fleet / folder / file
            create_file(path, text.encode(), 0o644)
            placed.append(path)
    except FileExistsError:
        _take_back(placed)
        return [Fault(NAME, f"'{name}' is taken; choose another name", f"{path} is there already")]
    except Unreadable as reason:
        _take_back(placed)
        raise NotPlaced(f"{path.parent}: {reason}") from reason
    except OSError as error:
        _take_back(placed)
        raise NotPlaced(f"{path}: {error.strerror}") from error
    return []


def _take_back(placed: Iterable[Path]) -> None:
    for path in placed:
        path.unlink(missing_ok=True)
