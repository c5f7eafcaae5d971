# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.loader import become_loader, shell_loader


@pytest.fixture
def doas() -> object:
    plugin = become_loader.get("puffy.vmm.doas")
    assert plugin is not None
    plugin.set_options()
    return plugin


def test_the_command_never_asks_for_a_password(doas) -> None:  # type: ignore[no-untyped-def]
    shell = shell_loader.get("sh")
    command = doas.build_become_command("perl -", shell)
    assert command == f"doas -n -u root /bin/sh -c 'echo {doas.success} ; perl -'"


def test_the_user_is_quoted(doas) -> None:  # type: ignore[no-untyped-def]
    doas.set_options(direct={"become_user": "a b"})
    assert " -u 'a b' " in doas.build_become_command("id", shell_loader.get("sh"))


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("doas: Operation not permitted", "or none matches; /etc/doas.conf needs a rule"),
        ("doas: Authentication required", "has no nopass; /etc/doas.conf needs a rule"),
        (
            "doas: doas is not enabled, /etc/doas.conf: No such file or directory",
            "No such file or directory: /etc/doas.conf needs a rule",
        ),
        ("doas: /etc/doas.conf is writable by group or other", "group or other$"),
    ],
)
def test_a_refusal_is_explained(doas, said: str, meaning: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(AnsibleError, match=meaning) as error:
        doas.check_incorrect_password(said.encode() + b"\r\n")
    assert str(error.value).startswith(said)


def test_other_output_is_left_alone(doas) -> None:  # type: ignore[no-untyped-def]
    assert not doas.check_incorrect_password(b"Warning: doas: is not at the beginning\n")
