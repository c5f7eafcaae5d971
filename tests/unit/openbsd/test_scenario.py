# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The step of the scenarios that installs VMs fails unless their owners can log in afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]
SEEN = {"web1": "OpenBSD\\nweb1.example.org\\npuffy", "db1": "OpenBSD\\ndb1.example.org\\nmira"}


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def install(place: Path, scenario: str, ends: str, seen: dict[str, str]) -> tuple[int, list[str]]:
    """Run the step where no server is left to bring sets to; return its status and the logins."""
    made = place / ".dev/molecule" / scenario
    (made / "fleet/host_keys").mkdir(parents=True)
    (made / "vm_skipped").write_text("")
    for name in seen:
        (made / f"fleet/host_keys/{name}.pub").write_text("ssh-ed25519 AAAA\n")
    programs = place / "bin"
    programs.mkdir()
    script(programs / "ansible-playbook", f'echo "vmm-bios: firmware is missing"; exit {ends}')
    cases = "".join(
        f"*HostKeyAlias={name}\\ *) printf '{text}\\n';;\n" for name, text in seen.items()
    )
    script(programs / "ssh", f'echo "$*" >>{place}/logins\ncase "$*" in\n{cases}esac')
    playbook = shutil.which("ansible-playbook")
    assert playbook
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "MOLECULE_SCENARIO_NAME": scenario,
        "MOLECULE_PROJECT_DIRECTORY": str(place),
        "ANSIBLE_LOCALHOST_WARNING": "0",
    }
    words = [playbook, "-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}"]
    words.append(str(CHECKOUT / "molecule/shared/vm.yml"))
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert "vmm-bios: firmware is missing" in done.stdout or ends == "0", done.stdout
    logins = place / "logins"
    return done.returncode, logins.read_text().splitlines() if logins.exists() else []


def test_it_ends_with_logins(tmp_path: Path) -> None:
    status, logins = install(tmp_path, "qemu", "0", SEEN)
    assert status == 0
    assert [" ".join(line.split()[-7:-5]) for line in logins] == [
        "-oConnectTimeout=60 puffy@203.0.113.11",
        "-oConnectTimeout=60 mira@198.51.100.2",
    ]
    assert (tmp_path / ".dev/molecule/qemu/known_hosts").read_text() == (
        "web1 ssh-ed25519 AAAA\ndb1 ssh-ed25519 AAAA\n"
    )


@pytest.mark.parametrize("scenario", ["qemu", "default"])
def test_an_installation_that_fails_fails_the_step(tmp_path: Path, scenario: str) -> None:
    """Whatever it says, of firmware or anything else."""
    assert install(tmp_path, scenario, "2", SEEN) == (2, [])


def test_a_login_that_is_not_the_vms_fails_the_step(tmp_path: Path) -> None:
    seen = {**SEEN, "db1": "OpenBSD\\nserver2.example.org\\nroot"}
    status, logins = install(tmp_path, "qemu", "0", seen)
    assert (status, len(logins)) == (2, 2)
