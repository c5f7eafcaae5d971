# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a program sees of an installation, by way of ansible-runner and without a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from integration.conftest import servers
from integration.harness import Site, messages, provide_sets
from unit.plugin_utils._installation.test_report import LINE

# Slow enough for a run to look while sets are fetched.
SPEED = 20


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with servers(tmp_path_factory.mktemp("site"), speed=SPEED) as made:
        made.converged("--limit", "server1", "-e", "vmm_install=false")
        provide_sets(made.server1)
        yield made


def events(site: Site, *words: str) -> list[dict[str, Any]]:
    """All events of a playbook that ansible-runner runs, in their order."""
    private = site.directory / "runner"
    result = site.run(
        "ansible-runner", "run", str(private), "--ident", "one", "--json", "-p", "puffy.vmm.vm",
        "--inventory", str(site.directory / "inventories/example"), "--cmdline", " ".join(words),
    )  # fmt: skip
    assert result.returncode == 0, messages(result)
    assert "\r  " not in result.stdout
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


def test_the_steps_of_an_installation_are_events(site: Site) -> None:
    seen = events(site, "-e", "vm=web1")
    lines = [
        (number, match)
        for number, event in enumerate(seen)
        for line in event["stdout"].splitlines()
        if (match := LINE.fullmatch(line))
    ]
    steps = {match["step"]: number for number, match in lines}
    assert {match["vm"] for _number, match in lines} == {"web1"}
    assert "fetches sets" in steps
    known = [match["known"] for _number, match in lines if match["step"] == "fetches sets"]
    assert all(text and text.endswith(" KiB") for text in known), known
    results = [
        (number, event["event_data"]["res"]["progress"])
        for number, event in enumerate(seen)
        if event["event"] == "runner_on_ok" and "progress" in event["event_data"]["res"]
    ]
    # They come while the task works, and its result has them as well.
    (installed, progress), (_started, starts) = results
    assert steps["fetches sets"] < steps["has rebooted"] < installed < steps["answers on port 22"]
    by_step = {step["step"]: step for step in progress}
    assert by_step["fetches sets"]["total"] > 0
    assert by_step["has rebooted"]["vm"] == "web1"
    assert starts[-1]["step"] == "answers on port 22"
    # What the operator has to know is there too, and no password.
    (sheet,) = (
        event["event_data"]["res"]
        for event in seen
        if event["event"] == "runner_on_ok" and "first_passwords" in event["event_data"]["res"]
    )
    assert sheet["first_passwords"] == {"web1": "credentials/web1.yml"}
