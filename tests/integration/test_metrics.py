# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The role metrics: cron's line, the script on a server, and both gone again."""

from __future__ import annotations

import json

from integration.harness import Site, messages, recap, state

MINE = "# mine\n0\t3\t*\t*\t*\tmira\t/home/mira/weekly\n"
LINE = "*/5 * * * * root -nqs /etc/metrics.vmm"
TO = ("--limit", "server1", "-e", json.dumps({"metrics_to": ["192.0.2.9"], "metrics_every": 5}))


def test_a_life_with_metrics(ready: Site) -> None:
    server = ready.server1
    server.run(f"printf %s '{MINE}' >/etc/crontab; chmod 644 /etc/crontab")
    without = server.read("/etc/httpd.conf")
    ready.converged(*TO)
    before = state(server)
    again = ready.play("site", *TO)
    assert recap(again, "server1")["changed"] == 0, messages(again)
    assert state(server) == before
    crontab = server.read("/etc/crontab").decode()
    assert crontab == f"{MINE}# begin of puffy.vmm metrics\n{LINE}\n# end of puffy.vmm metrics\n"

    for _ in range(2):
        done = server.run("/etc/metrics.vmm")
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    shown = server.run("cd /var/www/metrics && stat -Lf '%Sp %Su %Sg %N' . *").stdout.decode()
    assert shown.splitlines() == [
        "drwxr-x--- root www .",
        "-rw-r----- root www metrics.text",
        "-rw-r----- root www metrics@192.0.2.9",
    ]
    lines = server.read("/var/www/metrics/metrics.text").decode().splitlines()
    for line in (
        'puffy_vmm_vms{state="stopped"} 1',
        'puffy_vmm_vm_running{vm="mail1"} 0',
        'puffy_vmm_up{tool="vmctl"} 1',
        'puffy_vmm_up{tool="stat"} 1',
        'puffy_vmm_up{tool="ifconfig"} 1',
        # Servers here have no netstat(1), and all else is measured.
        'puffy_vmm_up{tool="netstat"} 0',
        'puffy_vmm_up{tool="sysctl"} 1',
    ):
        assert line in lines, "\n".join(lines)
    image = 'puffy_vmm_image_size_bytes{vm="mail1",image="/var/vmm/mail1.qcow2"} '
    size = server.run("stat -f %z /var/vmm/mail1.qcow2").stdout.decode().strip()
    assert f"{image}{size}" in lines

    ready.converged("--limit", "server1")
    assert server.read("/etc/crontab").decode() == MINE
    assert server.read("/etc/httpd.conf") == without
