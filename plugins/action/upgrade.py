# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.upgrade: errata or another release for one server."""

from __future__ import annotations

import signal
import time
import typing as t
from contextlib import contextmanager
from datetime import UTC, datetime

from ansible.errors import AnsibleConnectionFailure
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import read
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent, Execute
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import (
    Action,
    refuse_unusable,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain, untrusted
from ansible_collections.puffy.vmm.plugins.plugin_utils._backups.records import NOTE, outdated
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import text
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.marker import alive
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.converge import look
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.drift import drift
from ansible_collections.puffy.vmm.plugins.plugin_utils._tasks.server import machines_of
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.core.plan import (
    RELEASE,
    Do,
    Request,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.run import Limits, Server, Upgrade

_KEY: t.Final = "upgrade"
# Seconds until a look at a server that may be shutting down is given up.
_LOOK_SECONDS: t.Final = 90
# More than everything that a request may take on the server.
_REQUEST_SECONDS: t.Final = 6 * 3600


class ActionModule(Action):
    """Announces, prepares, stops VMs, reboots and starts them again; finishes after a check."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "step": {"type": "str", "default": "upgrade", "choices": ["upgrade", "finish"]},
        "to": {"type": "str"},
        "announce_hours": {"type": "int"},
        "backup_hours": {"type": "int"},
        "boot_minutes": {"type": "int", "default": 60},
        "wait_for_ssh": {"type": "int", "default": 300},
        "interval": {"type": "float", "default": 5.0},
        "drift": {"type": "dict", "default": {}},
    }

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        refuse_unusable(task_vars)
        _refuse_values(args)
        upgrade = self._upgrade(args, task_vars)
        try:
            if args["step"] == "finish":
                upgrade.finish()
                return {"changed": True, "changes": []}
            step = upgrade.foresee() if self.check_mode else upgrade.carry_out()
        except OperatorError as error:
            error.fields |= {"changes": upgrade.changes, "changed": bool(upgrade.changes)}
            raise
        result = {"changes": upgrade.changes, "next": str(step.do), "release": upgrade.release}
        begun = step.do == Do.FINISH and not self.check_mode
        return {**untrusted(result), "changed": bool(upgrade.changes), "begun": begun}

    def _upgrade(self, args: t.Mapping[str, t.Any], task_vars: dict[str, t.Any]) -> Upgrade:
        name = str(task_vars["inventory_hostname"])
        agent = Agent(self._bounded(_REQUEST_SECONDS), self.run_process)
        request = Request(args["to"], args["announce_hours"], int(time.time()), alive, agent.by)
        machines = machines_of(task_vars)
        return Upgrade(
            Server(
                name,
                agent,
                Agent(self._bounded(_LOOK_SECONDS), self.run_process),
                lambda asks: self._look(agent, asks),
                self.reconnect,
            ),
            machines,
            request,
            self._display.display,
            Limits(args["boot_minutes"] * 60, args["wait_for_ssh"], args["interval"]),
            _differs(name, args["drift"]),
            lambda: _without_backups(agent, machines, args["backup_hours"]),
            task_vars["vmm_host"]["release"],
        )

    def _look(self, agent: Agent, asks: t.Mapping[str, t.Any]) -> tuple[t.Any, str]:
        """Return the answer to questions, once what was cut off has been put back."""
        more: dict[str, t.Any] = {_KEY: asks}
        seen = look(agent, (), more, check_mode=self.check_mode)
        return seen.raw[_KEY], seen.release

    def _bounded(self, seconds: int) -> Execute:
        """Return what runs a command on the server within so many seconds (OperatorError)."""

        def execute(command: str, in_data: bytes) -> dict[str, t.Any]:
            try:
                with _within(seconds):
                    return self.execute(command, in_data)
            except AnsibleConnectionFailure as error:
                raise OperatorError(f"it does not answer: {error}") from error
            except TimeoutError as error:
                raise OperatorError(f"it did not answer within {seconds} s") from error

        return execute


@contextmanager
def _within(seconds: int) -> t.Iterator[None]:
    """Raise TimeoutError after so many seconds, unless the task has a limit of its own."""

    def ring(*_: object) -> None:
        raise TimeoutError

    before = signal.getsignal(signal.SIGALRM)
    if before not in (signal.SIG_DFL, signal.SIG_IGN, None):
        yield
        return
    signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _refuse_values(args: t.Mapping[str, t.Any]) -> None:
    to = args["to"]
    if to is not None and not RELEASE.fullmatch(to):
        raise OperatorError(f"to: {to!r} is not a release of OpenBSD; name one such as 7.9")
    for name in ("announce_hours", "backup_hours", "boot_minutes"):
        if args[name] is not None and args[name] < 0:
            raise OperatorError(f"{name}: {args[name]} is not allowed; give 0 or more")


def _differs(server: str, result: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    """Return how the server differs from the fleet, from the result of its comparison.

    What only waits for a restart is not an obstacle.
    """
    rows = drift({server: plain(result)}).rows if result else ()
    return tuple(row.what for row in rows if row.kind not in ("notice", "pending restart"))


def _without_backups(
    agent: Agent, machines: t.Iterable[Machine], hours: int | None
) -> tuple[str, ...]:
    """Return which VMs with a system have no backup that is recent enough."""
    if hours is None:
        return ()
    note = text(agent.look({"paths": [read(NOTE)]}), NOTE)
    names = [machine.name for machine in machines if machine.was_installed]
    reasons = outdated(note, names, hours, datetime.now(UTC))
    if not reasons:
        return ()
    each = ", ".join(f"{vm} {reason}" for vm, reason in reasons.items())
    return (
        f"backup_hours: there is no proof of backups of all VMs from the last {hours} h: {each}",
    )
