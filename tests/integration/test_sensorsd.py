# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The role sensorsd, and the mails that its script sends."""

from __future__ import annotations

import json
import re

from integration.harness import Site, messages, recap, state

from sandbox.server import Server


def command(conf: str, entry: str, values: dict[str, str]) -> str:
    """What sensorsd(8) runs for an entry: a getcap(3) database, with its escapes and %-tokens."""
    line = next(candidate for candidate in conf.splitlines() if candidate.startswith(f"{entry}:"))
    text = line.partition(":command=")[2].partition(":")[0]
    text = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text).replace(r"\c", ":")
    return re.sub(r"%([xtns234l])", lambda match: values.get(match[1], match[0]), text)


def calls(server: Server, *states: tuple[str, str]) -> list[str]:
    """Has sensorsd see these states of a drive, and returns the subjects of the mails it sent."""
    conf = server.read("/etc/sensorsd.conf").decode()
    for status, value in states:
        tokens = {"x": "softraid0", "t": "drive", "n": "0", "s": status, "2": value}
        done = server.run(command(conf, "drive", tokens))
        assert done.returncode == 0, done.stderr
    return subjects(server)


def subjects(server: Server) -> list[str]:
    mails = server.run("cat /var/mail/root; rm -f /var/mail/root").stdout.decode().splitlines()
    return [line.removeprefix("Subject: ") for line in mails if line.startswith("Subject: ")]


def test_the_role_and_its_mails(site: Site) -> None:
    server = site.server1
    fresh = state(server)
    for variable, value, told in (
        ("sensorsd_mail_to", "$(reboot)", "'$(reboot)' is not a mail address; use one such as"),
        ("sensorsd_mail_from", "-A", "'-A' is not a mail address"),
        ("sensorsd_directory", "/etc/a b", "'/etc/a b' is not a valid path on a server"),
    ):
        refused = site.role("sensorsd", "-e", json.dumps({variable: value}))
        assert refused.returncode != 0
        assert told in messages(refused), messages(refused)
    assert state(server) == fresh

    check = site.role("sensorsd", "--check")
    assert recap(check, "server1")["changed"] == 1, messages(check)
    assert state(server) == fresh
    first = site.role("sensorsd")
    assert first.returncode == 0, messages(first)
    before = state(server)
    assert recap(site.role("sensorsd"), "server1")["changed"] == 0
    assert state(server) == before

    host = "server1.example.org"
    assert calls(server, ("OK", "online")) == []
    assert calls(server, ("WARNING", "pfail"), ("WARNING", "rebuild")) == [
        f"{host} softraid0.drive0 WARNING"
    ]
    # After a restart of sensorsd.
    assert calls(server, ("WARNING", "rebuild")) == []
    assert calls(server, ("OK", "online"), ("OK", "online")) == [f"{host} softraid0.drive0 OK"]

    server.fault("fail", "mail")
    known = "/var/db/puffy.vmm.sensors/softraid0.drive0"
    assert server.run("/etc/sensorsd/drive softraid0 drive 0 CRITICAL fail").returncode != 0
    assert server.read(known) == b"OK\n"
    server.clear("fail")
    assert calls(server, ("CRITICAL", "fail")) == [f"{host} softraid0.drive0 CRITICAL"]

    server.run("rm /var/db/puffy.vmm.sensors/*; echo stray >/etc/sensorsd.conf.db")
    server.run("chmod 644 /etc/sensorsd/drive; rcctl stop sensorsd")
    server.run("echo 'temp:high=nonsense' >>/etc/sensorsd.conf")
    refused = site.role("sensorsd")
    assert "/etc/sensorsd.conf: has what puffy.vmm did not write" in messages(refused)
    assert "entry temp; add it to sensorsd_extra, or manage sensorsd(8)" in messages(refused)
    check = site.role("sensorsd", "--check", "--diff", "-e", "foreign=drop")
    for line in (
        "would remove /etc/sensorsd.conf.db",
        "would change mode or owner of /etc/sensorsd/drive",
        "-temp:high=nonsense",
        "would start sensorsd",
    ):
        assert line in check.stdout, check.stdout
    repaired = site.role("sensorsd", "-e", "foreign=drop")
    assert repaired.returncode == 0, messages(repaired)
    assert state(server) == before


def test_an_entry_that_ends_sensorsd_is_undone(site: Site) -> None:
    """Such as a limit in the wrong unit: no checker finds it."""
    assert site.role("sensorsd").returncode == 0
    before = state(site.server1)
    site.server1.fault("daemon_dies", "sensorsd", "later")
    bad = site.role("sensorsd", "-e", json.dumps({"sensorsd_entries": ["temp:high=80X"]}))
    assert bad.returncode != 0
    assert "sensorsd: sensorsd does not run after the change" in messages(bad), messages(bad)
    assert "The server is as it was before." in messages(bad)
    assert state(site.server1) == before
    assert site.server1.run("rcctl check sensorsd").returncode == 0
