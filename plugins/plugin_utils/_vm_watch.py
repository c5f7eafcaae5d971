# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""How far an installation is, by the lines that dhcpd(8) and httpd(8) log and by vmctl status."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.plugin_utils._document import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._vm_facts import status_lines

DAEMON_LOG: t.Final = "/var/log/daemon"
ACCESS_LOG: t.Final = "/var/www/logs/access.log"

BOOTS: t.Final = "boots the installer"
ADDRESS: t.Final = "has its address"
RESPONSE: t.Final = "has its response file"
SETS: t.Final = "fetches sets"
REBOOTED: t.Final = "has rebooted"

_REQUEST = re.compile(r'"GET (?P<path>[^ "?]+)[^"]*" (?P<code>[0-9]{3}) ')


@dataclass(frozen=True)
class Progress:
    """How far one VM is: `stage` is one of the constants here, `detail` what was fetched last."""

    stage: str
    detail: str = ""
    running: bool = True

    def __str__(self) -> str:
        return f"{self.stage} ({self.detail})" if self.detail else self.stage


def questions(offsets: t.Mapping[str, int]) -> dict[str, t.Any]:
    """The probe request: `offsets` are the sizes in bytes that the logs had at the start."""
    runs = [{"name": "status", "argv": [TOOLS["vmctl"], "status"], "timeout": 20}]
    for log in (DAEMON_LOG, ACCESS_LOG):
        argv = [TOOLS["tail"], "-c", f"+{offsets.get(log, 0) + 1}", log]
        runs.append({"name": log, "argv": argv})
    return {"verb": "probe", "run": runs}


def parse(answer: t.Mapping[str, t.Any], vm: t.Mapping[str, t.Any]) -> Progress:
    """How far a VM is. A request that failed is shown, since the installer then stops."""
    runs = answer["run"]
    stage, detail = BOOTS, ""
    leased = f"DHCPACK on {vm['ipv4']} to {vm['mac']} "
    if any(leased in line + " " for line in runs[DAEMON_LOG]["stdout"].splitlines()):
        stage = ADDRESS
    fetched: list[str] = []
    for line in runs[ACCESS_LOG]["stdout"].splitlines():
        request = _REQUEST.search(line)
        if not request or f" {vm['ipv4']} " not in f" {line}":
            continue
        name = request["path"].rpartition("/")[2]
        if request["code"] != "200":
            detail = f"{name}: {request['code']}"
        elif name == f"{vm['mac']}-install.conf":
            stage, detail = RESPONSE, ""
        else:
            fetched.append(name)
            stage, detail = SETS, f"{name}, {len(fetched)} files"
    status = status_lines(runs["status"]["stdout"]).get(vm["name"])
    if status is None or status.pid is None:
        return Progress(REBOOTED if stage == SETS else stage, detail, running=False)
    return Progress(stage, detail)
