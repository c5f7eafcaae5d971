# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""sensorsd's script in the shells that there are, with a mail(1) that notes its arguments."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "golden/example/server1/etc/sensorsd/drive"
MAIL = '#!/bin/sh\nprintf "%s|" "$@" >>mails; cat >>mails; exit "$(cat status)"\n'
HOSTNAME = "#!/bin/sh\necho server1.example.org\n"

# What sensorsd passes on, and of the mail what the subject ends with; None for no mail.
LIFE = [
    (("OK", "online"), None),
    (("OK", "online"), None),
    (("WARNING", "pfail"), "WARNING"),
    (("WARNING", "rebuild"), None),
    (("CRITICAL", "fail"), "CRITICAL"),
    (("UNKNOWN", "12 ???"), "UNKNOWN"),
    (("UNSPEC", "$(touch evil); `touch evil`"), "UNSPEC"),
    (("OK", "online"), "OK"),
    (("OK", "online"), None),
]


class Machine:
    """The script with its paths below a directory, which is also where programs are found."""

    def __init__(self, directory: Path, shell: str) -> None:
        self.directory, self.shell = directory, shell
        self.known = directory / "known"
        self.known.mkdir()
        text = SCRIPT.read_text()
        place = "/var/db/puffy.vmm.sensors"
        assert place in text
        (directory / "drive").write_text(text.replace(place, str(self.known)))
        for name, program in {"mail": MAIL, "hostname": HOSTNAME}.items():
            (directory / name).write_text(program)
            (directory / name).chmod(0o755)
        self.mails = directory / "mails"
        self.mail_ends_with(0)

    def mail_ends_with(self, status: int) -> None:
        (self.directory / "status").write_text(f"{status}\n")

    def call(self, device: str, status: str, value: str) -> tuple[int, str]:
        """The exit status, and the mail."""
        self.mails.write_text("")
        done = subprocess.run(
            [self.shell, "drive", device, "drive", "0", status, value],
            cwd=self.directory, env={"PATH": f"{self.directory}:/usr/bin:/bin"}, check=False,
        )  # fmt: skip
        return done.returncode, self.mails.read_text()


@pytest.fixture(params=["sh", "dash", "mksh"])
def machine(tmp_path: Path, request: pytest.FixtureRequest) -> Machine:
    return Machine(tmp_path, request.param)


def test_one_mail_for_each_change(machine: Machine) -> None:
    before = "OK"
    for (status, value), told in LIFE:
        ended, mail = machine.call("softraid0", status, value)
        assert ended == 0
        expected = (
            f"-s|server1.example.org softraid0.drive0 {told}|-r|root@example.org|root|"
            f"server1.example.org: softraid0.drive0 is {value}, {status} (before: {before})\n"
        )
        assert mail == (expected if told else "")
        before = status
    assert not (machine.directory / "evil").exists()


def test_drives_of_two_devices_are_two(machine: Machine) -> None:
    assert machine.call("softraid0", "WARNING", "pfail")[1]
    assert machine.call("mpi0", "WARNING", "pfail")[1]
    assert not machine.call("softraid0", "WARNING", "pfail")[1]


def test_a_mail_that_is_not_taken_is_tried_again(machine: Machine) -> None:
    machine.mail_ends_with(1)
    assert machine.call("softraid0", "WARNING", "pfail")[0] != 0
    machine.mail_ends_with(0)
    assert machine.call("softraid0", "WARNING", "pfail")[1]
    assert not machine.call("softraid0", "WARNING", "pfail")[1]


@pytest.mark.parametrize("text", ["", "OK", "OK\n"])
def test_what_a_full_disk_may_leave_is_read(machine: Machine, text: str) -> None:
    (machine.known / "softraid0.drive0").write_text(text)
    assert not machine.call("softraid0", "OK", "online")[1]
    assert machine.call("softraid0", "WARNING", "pfail")[1]
