# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""./dev bench: its statistics, tables, JSON and page, and what it counts of a command."""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
import time
from pathlib import Path

import pytest
from bench import fleets, latency, results
from bench.__main__ import chosen
from bench.document import document
from bench.figures import figures
from bench.results import Round, Row, Stage
from bench.table import markdown
from bench.usage import CommandFailed, measured

BASE = Row("raw", "", 0, (Round(1, 0.5, 0, 2048), Round(9, 5, 0, 2048), Round(2, 1, 0, 4096)))
OURS = Row(
    "ours",
    "raw",
    100,
    (Round(2, 0.5, 0.01, 1024, 1), Round(9, 6, 0.02, 1024, 1), Round(6, 4, 0.03, 1024, 2)),
)
STAGE = Stage("Title", "2026-01-02T03:04+00:00", {"processor": "2 × Any"}, (BASE, OURS))


def test_medians() -> None:
    _base, ours = figures([BASE, OURS])
    assert (ours.wall, ours.fastest, ours.slowest) == (6, 2, 9)
    assert (ours.cpu, ours.connections, ours.memory, ours.executions) == (4, 0.02, 1, 1)
    assert ours.per_vm == pytest.approx(40)


def test_ratios_are_those_within_a_round() -> None:
    base, ours = figures([BASE, OURS])
    # 2, 1 and 3 times; the ratio of the medians would be 3.
    assert ours.wall_ratio == 2
    assert ours.cpu_ratio == pytest.approx(1.2)
    assert base.wall_ratio is None
    assert base.per_vm is None


def test_table_leaves_out_columns_without_a_cell() -> None:
    assert (
        markdown(figures([BASE])).splitlines()[0]
        == "|     | rounds | wall s | min-max   | CPU s | MiB |"
    )
    assert markdown(figures([BASE, OURS])).splitlines() == [
        "|      | rounds | wall s | min-max   | CPU s | conn. CPU s | MiB | SSH | CPU ms/VM "
        "| compared with | wall × | CPU × |",
        "| ---- | -----: | -----: | --------: | ----: | ----------: | --: | --: | --------: "
        "| ------------- | -----: | ----: |",
        "| raw  | 3      | 2.00   | 1.00-9.00 | 1.00  |             | 2   |     |           "
        "|               |        |       |",
        "| ours | 3      | 6.00   | 2.00-9.00 | 4.00  | 0.02        | 1   | 1   | 40.00     "
        "| raw           | 2.00   | 1.20  |",
    ]


def test_json_keeps_everything(tmp_path: Path) -> None:
    place = tmp_path / "results.json"
    assert results.load(place) == {}
    place.write_text(results.to_json({"files": STAGE}))
    assert results.load(place) == {"files": STAGE}


def test_page_has_the_machine_and_the_table() -> None:
    page = document({"files": STAGE})
    assert "\n## Title\n\nMeasured 2026-01-02T03:04+00:00: processor 2 × Any.\n\n|" in page
    assert markdown(figures(STAGE.rows)) in page


@pytest.mark.parametrize(("load", "noted"), [("0.4 9.0 9.0", False), ("0.6 0.0 0.0", True)])
def test_page_says_when_the_machine_was_busy(load: str, noted: bool) -> None:
    stage = Stage("Title", "2026-01-02", {"load before": load}, (BASE,))
    assert ("**The machine was busy" in document({"files": stage})) is noted


def test_stages_and_parts_can_be_chosen() -> None:
    assert chosen(["site10", "site"]) == ["site10", "site2", "site40"]
    assert chosen([])[0] == "files"
    with pytest.raises(ValueError, match="'sites' is not a stage"):
        chosen(["sites"])


def test_no_two_servers_of_a_site_share_a_network() -> None:
    every = [fleets.settings(number) for number in range(1, 401)]
    for name in ("vmm_mac_prefix", "vmm_ipv4_network", "vmm_ipv6_network"):
        assert len({variables[name] for variables in every}) == len(every)


def burn(seconds: float) -> str:
    return f"import time\nwhile time.process_time() < {seconds}: pass\n"


def usage_of(tmp_path: Path, program: str, limit: float = 30) -> tuple[float, float]:
    """CPU seconds of a Python program and its children, and of what it left as `ssh`."""
    usage = measured(
        [sys.executable, "-c", program], tmp_path / "log", limit=limit, cwd=tmp_path, environment={}
    )
    return usage.cpu, usage.connections


def test_children_are_counted_even_if_nobody_waits_for_them(tmp_path: Path) -> None:
    child = f"subprocess.Popen([sys.executable, '-c', {burn(0.4)!r}], start_new_session=True)"
    cpu, connections = usage_of(tmp_path, f"import subprocess, sys\n{child}\n")
    assert cpu >= 0.4
    assert connections == 0


def test_ssh_left_in_the_background_is_counted_by_itself(tmp_path: Path) -> None:
    (tmp_path / "ssh").symlink_to("/bin/sh")
    loop = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo >done; sleep 60"
    program = f"""
import os, subprocess, time
subprocess.Popen(["./ssh", "-c", {loop!r}], start_new_session=True)
while not os.path.exists("done"): time.sleep(0.01)
"""
    cpu, connections = usage_of(tmp_path, program)
    assert connections > 0.05
    assert cpu < connections + 0.2


def test_a_command_that_fails_or_takes_too_long_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="(?s)exit status 1.*no such luck"):
        usage_of(tmp_path, "raise SystemExit('no such luck')")
    began = time.monotonic()
    with pytest.raises(CommandFailed):
        usage_of(tmp_path, "import time; time.sleep(60)", limit=0.5)
    assert time.monotonic() - began < 30


class Echo(socketserver.StreamRequestHandler):
    """Greets, and says again what it hears."""

    def handle(self) -> None:
        self.wfile.write(b"hello\n")
        for line in self.rfile:
            self.wfile.write(line)


def test_far_away_delays_both_directions_and_the_first_word() -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with latency.far_away(server.server_address[1], 200) as port:
            began = time.monotonic()
            with (
                socket.create_connection(("127.0.0.1", port)) as peer,
                peer.makefile("rwb", buffering=0) as stream,
            ):
                assert stream.readline() == b"hello\n"
                greeted = time.monotonic()
                stream.write(b"one\n")
                assert stream.readline() == b"one\n"
                answered = time.monotonic()
                peer.shutdown(socket.SHUT_WR)
                assert stream.readline() == b""
        server.shutdown()
    assert greeted - began >= 0.29
    assert answered - greeted >= 0.19
