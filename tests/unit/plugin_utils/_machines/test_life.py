# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What is done with a VM: state and verb by what the server shows."""

from __future__ import annotations

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.vm_edit import with_state
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.life import (
    DECISIONS,
    NEW_STATE,
    VERBS,
    refusal,
)

# image, archived image, installing, running; those in INSTALLED have that behind them
INSTALLED = {"installed, rests", "installed, runs"}
SHOWN = {
    "nothing": ("absent", False, False, False),
    "blank": ("blank", False, False, False),
    "blank, runs": ("blank", False, False, True),
    "installs": ("absent", False, True, True),
    "install cut off": ("absent", False, True, False),
    "rests": ("data", False, False, False),
    "runs": ("data", False, False, True),
    "archived": ("absent", True, False, False),
    "installed, rests": ("data", False, False, False),
    "installed, runs": ("data", False, False, True),
}


def looked(shown: str) -> dict[str, object]:
    image, archived, installing, running = SHOWN[shown]
    return {
        "image": image,
        "archived": archived,
        "installing": installing,
        "installed": shown in INSTALLED,
        "running": running,
    }


# (state, verb, what the server shows): what is done, in the order in which it is done
CASES = {
    ("present", "apply", "nothing"): "install start",
    ("present", "apply", "blank"): "install start",
    ("present", "apply", "blank, runs"): "",
    ("present", "apply", "installs"): "install start",
    ("present", "apply", "install cut off"): "install start",
    ("present", "apply", "rests"): "",
    ("present", "apply", "runs"): "",
    ("present", "apply", "archived"): "restore",
    ("present", "restart", "runs"): "stop start",
    ("present", "restart", "rests"): "start",
    ("present", "reinstall", "runs"): "stop install start",
    ("present", "reinstall", "rests"): "install start",
    ("present", "reinstall", "installs"): "install start",
    ("present", "rescue", "runs"): "stop rescue",
    ("present", "rescue", "rests"): "rescue",
    ("present", "resume", "rests"): "start",
    ("present", "resume", "runs"): "",
    ("present", "restore", "archived"): "restore start",
    ("suspended", "suspend", "runs"): "stop",
    ("suspended", "suspend", "rests"): "",
    ("suspended", "apply", "runs"): "stop",
    ("suspended", "apply", "nothing"): "",
    ("archived", "archive", "runs"): "stop archive",
    ("archived", "archive", "rests"): "archive",
    ("archived", "archive", "archived"): "",
    ("archived", "apply", "runs"): "stop archive",
    ("archived", "purge", "archived"): "purge",
    # A run was cut off between the end of the installation and the answer on port 22.
    ("present", "apply", "installed, rests"): "start",
    ("present", "apply", "installed, runs"): "start",
    ("present", "reinstall", "installed, rests"): "start",
    ("present", "reinstall", "installed, runs"): "stop install start",
    ("present", "rescue", "installed, rests"): "rescue",
    ("suspended", "apply", "installed, runs"): "stop",
    ("archived", "archive", "install cut off"): "archive",
}


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_decisions(case: tuple[str, str, str]) -> None:
    state, verb, shown = case
    look = looked(shown)
    vm = {"name": "web1", "state": state, "autostart": True}
    order = ("stop", "restore", "archive", "install", "start", "rescue", "purge")
    assert [step for step in order if DECISIONS[step](verb, vm, look)] == CASES[case].split()


def test_a_vm_with_a_system_is_never_installed_over_unless_that_was_asked_for() -> None:
    for verb in VERBS:
        for name, (image, archived, _installing, _running) in SHOWN.items():
            vm = {"name": "web1", "state": "present", "autostart": True}
            if DECISIONS["install"](verb, vm, looked(name)) and verb != "reinstall":
                assert not (archived or image == "data"), (verb, name)


def test_an_installation_is_held_whoever_began_it() -> None:
    for state in ("present", "suspended", "archived"):
        vm = {"name": "web1", "state": state, "autostart": True}
        held = {name for name in SHOWN if DECISIONS["hold"]("suspend", vm, looked(name))}
        assert held == ({"installs", "install cut off"} if state == "present" else set())


def test_no_start_without_autostart_that_nobody_asked_for() -> None:
    look = looked("rests")
    vm = {"name": "web1", "state": "present", "autostart": False}
    started = {verb for verb in VERBS if DECISIONS["start"](verb, vm, look)}
    assert started == {"restart", "reinstall"}


def test_refusals() -> None:
    refused = {
        (state, verb) for state in ("present", "suspended", "archived") for verb in VERBS
        if refusal(state, verb)
    }  # fmt: skip
    assert refused == {
        ("present", "purge"),
        *(("suspended", verb) for verb in ("purge", "reinstall", "rescue", "restart", "restore")),
        *(("archived", verb) for verb in ("reinstall", "rescue", "restart", "resume", "suspend")),
    }
    assert refusal("archived", "restart") == "is archived; restore it first"
    assert set(NEW_STATE) <= set(VERBS)


FILE = "# web1\nserver: server1\nnote: |\n  state: of the art\n"


@pytest.mark.parametrize(
    ("text", "new"),
    [
        (FILE, f"{FILE}state: suspended\n"),
        (f"{FILE}\n\n", f"{FILE}state: suspended\n"),
        (f"state: present  # for now\n{FILE}", f"state: suspended\n{FILE}"),
    ],
)
def test_with_state_changes_one_line(text: str, new: str) -> None:
    assert with_state(text, "suspended") == new


@pytest.mark.parametrize("text", ["{server: server1, state: present}\n", '"state": present\n'])
def test_with_state_leaves_alone_what_it_cannot_change(text: str) -> None:
    with pytest.raises(ValueError, match="by hand"):
        with_state(text, "suspended")
