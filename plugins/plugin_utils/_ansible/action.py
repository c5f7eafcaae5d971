# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What the collection's action plugins have in common."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.plugins.action import ActionBase
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError


class Action(ActionBase):
    """An action that runs on the controller: checked arguments in, a result out.

    perform() gets the arguments that SPEC (an Ansible argument spec) describes, and returns
    the task's result. An OperatorError that it raises becomes a failed result without a traceback,
    and so does an OSError that names a file.
    """

    SPEC: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @abstractmethod
    def perform(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Do the work and return the result. Raises OperatorError, and OSError for files."""

    @property
    def check_mode(self) -> bool:
        return bool(self._task.check_mode)

    @property
    def diff(self) -> bool:
        return bool(self._task.diff)

    @property
    def run_process(self) -> int:
        """The process of the whole run; each task has a worker process of its own."""
        return os.getppid()

    @property
    def templar(self) -> Any:
        return self._templar

    @property
    def loader(self) -> Any:
        return self._loader

    def find_template(self, name: str) -> str:
        """Return the path of a template of the role or playbook. Raises AnsibleError."""
        return str(self._find_needle("templates", name))

    def find_file(self, name: str) -> str:
        """Return the path of a file of the role or playbook. Raises AnsibleError."""
        return str(self._find_needle("files", name))

    def execute(self, command: str, in_data: bytes) -> dict[str, Any]:
        """Run a command on the server, with become if configured; return rc, stdout, stderr.

        Raises AnsibleConnectionFailure where the server is not reached.
        """
        result: dict[str, Any] = self._low_level_execute_command(command, in_data=in_data)
        return result

    def reconnect(self) -> None:
        """Drop the connection that Ansible keeps open, so that the next command opens another."""
        self._connection.reset()

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec(self.SPEC)
        try:
            return result | {"changed": False} | self.perform(args, task_vars or {})
        except OperatorError as error:
            return result | error.fields | {"failed": True, "msg": str(error)}
        except OSError as error:
            if error.filename is None:
                raise
            return result | {"failed": True, "msg": f"{error.filename}: {error.strerror}"}


def _problems(task_vars: Mapping[str, Any]) -> list[str]:
    return [str(problem) for problem in task_vars.get("vmm_problems") or ()]


def refuse_problems(task_vars: Mapping[str, Any]) -> None:
    """Stop a task for a server whose settings or ledger cannot be used.

    The inventory plugin gives such a server vmm_problems and no vmm_vms. Raises OperatorError.
    """
    problems = _problems(task_vars)
    if problems and "vmm_vms" not in task_vars:
        raise OperatorError("\n".join(problems), problems=problems)


def refuse_unusable(task_vars: Mapping[str, Any]) -> None:
    """Stop a task for a server with such problems, or that the inventory plugin gave nothing.

    Raises OperatorError.
    """
    refuse_problems(task_vars)
    if "vmm_host" not in task_vars:
        raise OperatorError(
            f"{task_vars.get('inventory_hostname')} has no vmm_host: the inventory source of the "
            "plugin puffy.vmm.vms gives it to each server of its group. There is no such source, "
            "or it could not read the fleet directory, which Ansible reports at the beginning"
        )


def refuse_unknown_vms(task_vars: Mapping[str, Any]) -> None:
    """Stop a task that would remove the definition of a VM that exists, but cannot be read.

    Raises OperatorError.
    """
    unknown = [str(name) for name in task_vars.get("vmm_unknown_vms") or ()]
    if unknown:
        problems = _problems(task_vars)
        raise OperatorError(
            f"{', '.join(unknown)}: the ledger has this VM, its file has problems, and there is "
            f"no copy of when it had none, so this server is left as it is; correct this: "
            + "; ".join(problems),
            problems=problems,
        )
