# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Demonstrate the collection on two stand-in servers, from nothing to a customer's login."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import example_servers
import yaml

from sandbox.model.sets import index_line, release_files
from sandbox.server import Server

SANDBOX = Path(os.environ["PUFFY_SANDBOX"])
FLEET = Path("fleets/example")
LEDGERS = FLEET / "allocations"
# What runs on earlier servers left of VMs that the new ones do not have.
LEFT = ("credentials", "handover", "host_keys", "kept")
ROLES = Path("playbooks/vars/server_roles.yml")
RELEASE = "7.8"
SETS = "/var/www/htdocs/amd64"
# How much faster the stand-ins' guests and daemons are than a real machine.
SPEED = 25


def say(text: str) -> None:
    print(f"\n== {text}\n", flush=True)


def play(*words: str, expected: int = 0) -> None:
    """Runs a playbook on the example. Exits if it does not end with the status expected."""
    command = ["ansible-playbook", "-i", "inventories/example", *words]
    print("$", " ".join(command), flush=True)
    status = subprocess.run(command, check=False).returncode
    if status != expected:
        sys.exit(status or 1)


def provide_sets(server: Server) -> None:
    """Puts a stand-in release where httpd serves it from, as a mirror would."""
    files = release_files(RELEASE)
    index = "".join(index_line(name, len(files[name])) for name in sorted(files))
    for name, content in {**files, "index.txt": index.encode()}.items():
        server.write(f"{SETS}/{name}", content)


def executions(server: Server) -> int:
    return len(server.executions())


@contextmanager
def ledgers_kept() -> Iterator[None]:
    """Leaves the ledgers as they were: the next new servers have no VM that was installed."""
    texts = {path: path.read_bytes() for path in LEDGERS.glob("*.yml")}
    try:
        yield
    finally:
        for path, text in texts.items():
            path.write_bytes(text)


def main() -> None:
    began = time.monotonic()
    say("Two new servers: OpenBSD stand-ins behind a real sshd, with no Python in them")
    shutil.rmtree(SANDBOX, ignore_errors=True)
    for folder in LEFT:
        shutil.rmtree(FLEET / folder, ignore_errors=True)
    servers = example_servers.start(SANDBOX, speed=SPEED)
    print("server1 has the preset veb, server2 the preset bridge.")

    say("Everything on them is configured: fleets/example becomes vm.conf, dhcpd.conf and so on")
    play("puffy.vmm.site")
    first = executions(servers[0])

    say("The same again: nothing changes")
    play("puffy.vmm.site")
    second = executions(servers[0]) - first

    say("Somebody changes server2 by hand: a check of all servers finds it, and changes nothing")
    servers[1].run("echo '# by hand' >>/etc/dhcpd.conf; rcctl stop sensorsd; rm /dev/tap7")
    play("puffy.vmm.check", expected=2)

    say("One VM is installed by autoinstall(8); other VMs do not notice")
    provide_sets(servers[0])
    play("puffy.vmm.vm", "-e", "vm=web1")
    status = servers[0].run("vmctl status").stdout.decode()
    for server in servers:
        server.stop()

    roles = yaml.safe_load(ROLES.read_text())["server_roles"]
    say(f"Done in {time.monotonic() - began:.0f} s")
    print(
        f"{status}\n"
        "* 6 VM files became the configuration of 2 servers, with nothing installed on them.\n"
        f"* server1 took {first} ssh executions for {len(roles)} roles, then {second} to see no "
        "change.\n"
        "* web1 was installed from the network, runs from its disk and answers on port 22.\n"
        "* Its first password: ./dev run ansible-vault view fleets/example/credentials/web1.yml\n"
        "* The changes made by hand on server2 are still there; puffy.vmm.site would undo them.\n"
        "* All processes are gone. Look around in a server, which starts again for that:\n\n"
        f"    {Path(sys.argv[0]).parents[1]}/dev run ssh -F .dev/sandbox/ssh_config server1\n"
    )


if __name__ == "__main__":
    with ledgers_kept():
        main()
