# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Long work on a VM's images, which a server does on its own: started here, and watched."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError, shown_text
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._backups.records import NOTE
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.report import (
    LINE_SECONDS,
    Report,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.sets import of_bytes

_TOOLS: t.Final = ("vmctl", "df", "ps")
# How long a connection is held for a look.
_LOOK_SECONDS: t.Final = 5
# Within so many seconds a VM's processor has to be idle once, so that vmd(8) pauses it.
_REST_SECONDS: t.Final = 15
# Within so many seconds it has to run again, once vmd(8) was asked for that.
_AWAKE_SECONDS: t.Final = 60
# vmd(8) ends a guest that has acknowledged its shutdown so many seconds ago
# (VMMCI_TIMEOUT_LONG of usr.sbin/vmd/virtio.h).
_GRACE_SECONDS: t.Final = 120

Request = dict[str, t.Any]


def request(do: str, place: str, vm: str, *paths: str, **more: t.Any) -> Request:
    """Return a request of the agent's verb backup, with what it may see and run."""
    tools = {name: TOOLS[name] for name in _TOOLS}
    files: list[dict[str, t.Any]] = [{"path": path} for path in (place, NOTE, *paths)]
    files += [{"path": place, "argv": [tool]} for tool in tools.values()]
    return {"do": do, "place": place, "vm": vm, "files": files, **tools, **more}


class Jobs:
    """What is done on one server, VM by VM."""

    def __init__(self, agent: Agent, report: Report) -> None:
        self._agent, self._report = agent, report

    def run(self, job: Request) -> dict[str, t.Any]:
        """Begin a job and wait for its end; return its record.

        Where another run has begun a backup of the VM, wait for that one. Raises OperatorError with
        what failed, and with `damaged` among its fields where the backup itself is damaged.
        """
        begun = time.monotonic()
        limits = {
            "rest_seconds": _REST_SECONDS,
            "awake_seconds": _AWAKE_SECONDS,
            "grace_seconds": _GRACE_SECONDS,
        }
        answer, _piece = self._agent.backup({**job, **limits})
        if "busy" in answer:
            self._join(job, answer["busy"])
        self._say_more(job["vm"], answer)
        look = {key: job[key] for key in ("place", "vm", "files", *_TOOLS)}
        step, shown, shown_at = "", "", -float(LINE_SECONDS)
        while True:
            ask = {**look, "do": "watch", "seen": step, "seconds": _LOOK_SECONDS}
            now, _piece = self._agent.backup(ask)
            passed = time.monotonic() - begun
            if now["state"] == "done":
                self._say_more(job["vm"], now)
                return t.cast(dict[str, t.Any], now["backup"])
            if now["state"] == "failed":
                text = shown_text(str(now["text"]))
                raise OperatorError(f"{job['vm']}: {text}", damaged=bool(now.get("damaged")))
            figures = {"done": int(now["done"]), "total": int(now["total"])}
            known = of_bytes(*figures.values()) if figures["done"] else ""
            if now["step"] != step or (known != shown and passed - shown_at >= LINE_SECONDS):
                step, shown, shown_at = now["step"], known, passed
                self._report.step(job["vm"], step, passed, known=known, waits_for="", **figures)

    def _say_more(self, vm: str, answer: t.Mapping[str, t.Any]) -> None:
        """Say why a VM that was stopped was not started again, and that it had to be ended."""
        for key in ("stopped", "ended"):
            if answer.get(key):
                self._report.say(f"{vm}: {shown_text(str(answer[key]))}")

    def _join(self, job: Request, busy: t.Mapping[str, t.Any]) -> None:
        by = shown_text(str(busy.get("by", "somebody")))
        if job["do"] != "take" or busy.get("do") != "take":
            raise OperatorError(
                f"{job['vm']}: another run works on its images: {by}; run again when it is done"
            )
        self._report.say(f"{job['vm']} is being backed up by another run, {by}; waiting")
