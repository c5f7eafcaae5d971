# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.move: what one of the two servers does for a VM's move."""

from __future__ import annotations

import socket
import typing as t

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import stat
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import (
    Action,
    refuse_unusable,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain, untrusted
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.report import Report
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.life import Request
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.look import Look
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.obstacles import LEAVE
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import facts as vm_facts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import host_keys
from ansible_collections.puffy.vmm.plugins.plugin_utils._moves import ends, transfer
from ansible_collections.puffy.vmm.plugins.plugin_utils._moves.ends import Move
from ansible_collections.puffy.vmm.plugins.plugin_utils._moves.transfer import (
    Account,
    Arrival,
    Peer,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._tasks.server import machines_of

_SSH_PORT: t.Final = 22


class ActionModule(Action):
    """Carries out a step on the server that the task is for."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "move": {"type": "dict", "required": True},
        "step": {
            "type": "str",
            "required": True,
            "choices": [
                "check", "make_key", "offer", "try", "prove", "fetch", "withdraw", "drop_key",
                "accept", "retire", "tidy", "discard", "purge",
            ],
        },
        "peer": {"type": "dict", "default": {}},
        "key": {"type": "str", "default": "", "no_log": False},
    }  # fmt: skip

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        refuse_unusable(task_vars)
        self._vars = task_vars
        self._server = str(task_vars["inventory_hostname"])
        data = plain(args["move"])
        self._move = Move.of(data)
        self._agent = Agent(self.execute, self.run_process)
        self._report = Report(self._display.display)
        self._continued = bool(data.get("continued"))
        peer: dict[str, t.Any] = plain(args["peer"])
        step = args["step"]
        if step == "check":
            return self._check(peer)
        if self.check_mode:
            return {"changed": True}
        if step in ("try", "fetch"):
            return self._arrival(peer, step)
        if step == "make_key":
            key = transfer.make_key(self._agent, self._move.vm, Peer(**peer))
            return {"changed": True, "key": key}
        if step in ("offer", "withdraw"):
            return self._offer(step, args["key"], peer)
        if step == "drop_key":
            transfer.drop_key(self._agent, self._move.vm)
            return {"changed": True}
        return self._steps(step, data)

    def _check(self, peer: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Check what prevents the move here (OperatorError); change nothing."""
        move = self._move
        if self._server == move.source:
            return self._check_source()
        stamps = [stamp or None for stamp in peer["stamps"]]
        answer = self._agent.look(ends.there_questions(move))
        there = ends.there(answer, move, stamps, continued=self._continued)
        if there.obstacles:
            raise OperatorError("\n".join(there.obstacles))
        return {"arrived": there.arrived, "address": self._address()}

    def _check_source(self) -> dict[str, t.Any]:
        move = self._move
        machines = machines_of(self._vars)
        asked = vm_facts.questions(machines)
        asked["paths"] += map(stat, _paths(move))
        asked["paths"] += host_keys.server_questions()
        user = self._user()
        asked["users"] = [user]
        answer = self._agent.look(asked)
        request = Request(LEAVE, frozenset({move.vm}))
        refused = Look.of(answer, machines, request).plan.refuse
        obstacles = [f"{name}: {reason}" for name, reason in refused.items()]
        obstacles += ends.source_obstacles(answer, move)
        account = answer["users"].get(user)
        if account is None:
            obstacles.append(f"{move.source} has no account {user}, which ansible_user names")
        if obstacles:
            raise OperatorError("\n".join(obstacles))
        result = {
            "stamps": [stamp or {} for stamp in ends.stamps(answer, move)],
            "peer": {
                "name": move.source,
                "address": self._address(),
                "port": int(self._vars.get("ansible_port") or _SSH_PORT),
                "user": user,
                "host_keys": host_keys.of_server(answer).lines,
            },
            "account": {
                "name": user,
                "home": account["home"],
                "group": account["group"],
                "doas": bool(self._play_context.become),
            },
        }
        return t.cast(dict[str, t.Any], untrusted(result))

    def _user(self) -> str:
        """Return the account that Ansible logs in to: root, or one that has keys of its own."""
        user = self._vars.get("ansible_user") or self._vars.get("ansible_ssh_user")
        if user:
            return str(user)
        if self._play_context.become:
            raise OperatorError(
                f"{self._server}: set ansible_user, the account that other servers log in to"
            )
        return "root"

    def _address(self) -> str:
        """Return the IP address of this server for other servers. Raises OperatorError."""
        setting = self._vars["vmm_host"]["transfer_address"]
        name = str(setting or self._vars.get("ansible_host") or self._server)
        try:
            addresses = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except OSError as error:
            raise OperatorError(
                f"{self._server}: {name} is not an address that the controller knows ({error}); "
                f"set vmm_transfer_address to the one by which other servers reach it"
            ) from error
        # The same family on both servers, if they have it.
        preferred = min(addresses, key=lambda address: address[0] != socket.AF_INET)
        return str(preferred[4][0])

    def _arrival(self, peer: t.Mapping[str, t.Any], step: str) -> dict[str, t.Any]:
        move = self._move
        source = Peer(**{**peer, "host_keys": tuple(peer["host_keys"])})
        arrival = Arrival(self._agent, move.vm, move.images, source, self._address(), self._report)
        if step == "try":
            arrival.try_connection()
            return {}
        answer = self._agent.look(ends.there_questions(move))
        if steps := [*ends.make_directories(answer, move)]:
            self._agent.carry_out("move", steps)
        try:
            sums = arrival.fetch()
        except OperatorError as error:
            raise OperatorError(
                f"{error}\n{move.vm} stays stopped: the same command continues, and -e verb=move "
                f"-e to={move.source} gives the move up and starts it there again if it ran"
            ) from error
        return {"changed": True, "sha256": sums, "progress": self._report.steps}

    def _offer(self, step: str, key: str, peer: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        account, move = Account(**peer["account"]), self._move
        if step == "withdraw":
            transfer.withdraw(self._agent, move.vm, account)
            return {"changed": True}
        images = [image.source for image in move.images]
        transfer.offer(self._agent, move.vm, images, key, peer["address"], account)
        return {"changed": True}

    def _prove(self, paths: t.Iterable[str] = ()) -> t.Mapping[str, t.Any]:
        """Prove that the VM does not run here (OperatorError); return what is at these paths."""
        answer = self._agent.look(ends.questions(paths))
        ends.refuse_known(answer, self._move, self._server)
        return answer

    def _steps(self, step: str, data: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Carry out the steps of a transaction, after the proof that the VM does not run."""
        move = self._move
        steps: t.Iterable[Step] = ()
        if step == "prove":
            self._prove(_paths(move))
        elif step == "retire":
            steps = ends.retire(self._prove(_paths(move)), move)
        elif step == "accept":
            steps = ends.accept(move)
        elif step == "discard":
            self._prove()
            steps = ends.discard(move)
        elif step == "purge":
            steps = ends.purge(move, data["paths"])
        elif step == "tidy":
            steps = ends.tidy(move)
        steps = [*steps]
        if steps:
            self._agent.carry_out("move", steps)
        changes = [str(step.change) for step in steps if step.change]
        return {"changed": bool(changes), "changes": changes}


def _paths(move: Move) -> list[str]:
    """Return where the source has the images, and where it keeps them after the move."""
    return [path for image in move.images for path in (image.source, image.kept)]
