# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The role sysctl: live and for the next boot, and nothing of what others wrote is lost."""

from __future__ import annotations

import json

from integration.harness import Site, messages, recap, state

CONF = "/etc/sysctl.conf"
THEIRS = b"# ours since 2019\nkern.maxproc=2000\t# many VMs\nnet.inet.ip.arpq.maxlen = 70\n"


def values(**more: object) -> tuple[str, str]:
    variables = {"net.inet.ip.arpq.maxlen": 256, "kern.maxproc": 4000, **more}
    return ("-e", json.dumps({"sysctl_values": variables}))


def test_live_and_for_the_next_boot(site: Site) -> None:
    server = site.server1
    server.write(CONF, THEIRS, 0o600)
    first = site.role("sysctl", *values())
    assert first.returncode == 0, messages(first)
    assert server.read(CONF) == THEIRS.replace(b"=2000", b"=4000") + (
        b"net.inet.ip.arpq.maxlen=256\n"
    )
    names = "sysctl -n kern.maxproc net.inet.ip.arpq.maxlen"
    assert server.run(names).stdout == b"4000\n256\n"
    # As /etc/rc does it at the next boot.
    server.run(
        "sysctl kern.maxproc=1; sysctl net.inet.ip.arpq.maxlen=1; sysctl -f /etc/sysctl.conf"
    )
    assert server.run(names).stdout == b"4000\n256\n"
    before = state(server)
    assert recap(site.role("sysctl", *values()), "server1")["changed"] == 0
    assert state(server) == before

    # sysctl(8) exits with 0 for both of these.
    for name, value, told in (
        ("kern.maxproc", "many", "sysctl kern.maxproc: the kernel does not take many"),
        ("kern.maxprok", "1", "sysctl kern.maxprok: this server's kernel has no such variable"),
    ):
        bad = site.role("sysctl", *values(**{name: value}))
        assert bad.returncode != 0
        assert told in messages(bad), messages(bad)
        assert state(server) == before
        assert server.run(names).stdout == b"4000\n256\n"
