# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""report.yml: what servers showed in one look each, and what the fleet says without them."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from integration.conftest import SPEED
from integration.harness import LOOK, Site, messages, state


def written(directory: Path) -> tuple[dict[str, Any], str]:
    """The report's JSON and its page."""
    page = (directory / "index.html").read_text()
    assert page.startswith("<!doctype html>") and page.rstrip().endswith("</html>")
    data: dict[str, Any] = json.loads((directory / "report.json").read_text())
    return data, page


def executions(site: Site) -> dict[str, int]:
    return {name: len(site.executions(name)) for name in site.servers}


def test_a_report_with_a_server_down(installed: Site) -> None:
    before, was = executions(installed), state(installed.server1)
    installed.servers["server2"].stop()
    try:
        made = installed.play("report")
    finally:
        installed.servers["server2"].start(speed=SPEED)
    assert made.returncode == 0, messages(made)
    assert "3 VMs deployed on 2 servers, 1 without live data (server2)" in made.stdout
    assert executions(installed)["server1"] == before["server1"] + LOOK
    assert state(installed.server1) == was
    assert "Traceback" not in messages(made)

    report = installed.fleet / "report"
    data, page = written(report)
    assert stat.S_IMODE(report.stat().st_mode) == 0o750
    assert {stat.S_IMODE(path.stat().st_mode) for path in report.iterdir()} == {0o640}
    assert sorted(path.name for path in report.iterdir()) == ["index.html", "report.json"]
    server1, server2 = data["servers"]
    assert (server1["reach"], server2["reach"]) == ("reached", "unreachable")
    assert "onnect" in server2["message"]
    assert (server1["release"], server1["kernel"], server1["processors"]) == ("7.8", "GENERIC#0", 1)
    assert server1["memory"]["total"] == 4278034432
    assert server1["disks"][0]["size"] > server1["disks"][0]["used"] > 0
    assert (server2["release"], server2["memory"]["total"]) == (None, None)
    vms = {vm["name"]: vm for vm in data["vms"]}
    assert {name: vm["shown"] for name, vm in vms.items()} == {
        "build1": None, "db1": "not installed", "lab1": None, "mail1": "running",
        "shop1": "stopped", "web1": "running",
    }  # fmt: skip
    assert vms["web1"]["installed"] and vms["web1"]["used"] > 0
    assert {row["server"] for row in data["drift"] if row["kind"] == "unreachable"} == {"server2"}
    network = {entry["network"]: entry for entry in data["networks"]}["203.0.113.0/24"]
    assert network["counts"]["used"] == 4
    labels = {span["first"]: (span["kind"], span["label"]) for span in network["addresses"]}
    assert labels["203.0.113.14"] == ("used", "web1")
    assert labels["203.0.113.13"] == ("reserved", "vmm_reserved")
    for secret in ("$2b$", "ssh-ed25519", "once-"):
        assert secret not in page and secret not in json.dumps(data), secret


def test_what_differs_and_what_waits(ready: Site) -> None:
    server = ready.server1
    assert server.run("vmctl start mail1").returncode == 0
    assert server.run("rcctl stop sensorsd").returncode == 0
    path = ready.vm_file("mail1")
    path.write_text(path.read_text() + "memory: 2G\n")
    ready.converged("--limit", "server1")
    assert server.run("rcctl stop sensorsd").returncode == 0
    host = "host camera { hardware ethernet 00:00:5e:00:53:01; fixed-address 203.0.113.40; }"
    conf = server.read("/etc/dhcpd.conf").decode().rstrip()
    server.write("/etc/dhcpd.conf", f"{conf.removesuffix('}')}{host}\n}}\n".encode())
    before = executions(ready)
    report = ready.directory / "pages"
    made = ready.play("report", "-e", f"report={report}", "-e", "report_mode=0644")
    assert made.returncode == 0, messages(made)
    assert executions(ready) == {name: count + LOOK for name, count in before.items()}
    data, page = written(report)
    assert stat.S_IMODE(report.stat().st_mode) == 0o755
    assert data["waiting_for_restart"] == ["mail1"]
    drift = [row["what"] for row in data["drift"] if row["server"] == "server1"]
    assert "start sensorsd" in drift
    spans = data["networks"][1]["addresses"]
    foreign = [(span["first"], span["label"]) for span in spans if span["kind"] == "foreign"]
    assert foreign == [("203.0.113.40", "camera, in dhcpd.conf of server1")]
    assert "203.0.113.40: camera, in dhcpd.conf of server1" in page


def test_a_report_of_the_fleet_alone(site: Site) -> None:
    for server in site.servers.values():
        server.stop()
    path = site.vm_file("web1")
    path.write_text(f"{path.read_text()}memory: 1 GB\n")
    made = site.play("report", "-e", "report_live=false", "--check")
    assert made.returncode == 0, messages(made)
    assert "0 VMs deployed on 2 servers, no server was asked" in made.stdout
    data, page = written(site.fleet / "report")
    assert data["live"] is False
    assert {server["reach"] for server in data["servers"]} == {"not asked"}
    assert "Live data is missing" in page
    assert [text for text in data["problems"] if "vms/web1.yml: memory" in text]
    limited = site.play("report", "--limit", "server1", "-e", "report_live=false")
    assert limited.returncode == 0, messages(limited)
    assert len(written(site.fleet / "report")[0]["servers"]) == 2

    refused = site.play("report", "-e", "report_live=false", "-e", "report_mode=rw")
    assert refused.returncode == 2
    assert "mode: 'rw' is not a mode of a file" in messages(refused)
    nowhere = site.play("report", "-e", "report_live=false", "-e", "report=/nowhere/at/all")
    assert nowhere.returncode == 2
    assert "/nowhere/at/all: No such file or directory" in messages(nowhere)
    assert "Traceback" not in messages(refused) + messages(nowhere)
