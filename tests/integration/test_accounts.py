# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The role accounts: owners come, go, and come back; nobody else is touched."""

from __future__ import annotations

import json

from integration.harness import Site, messages, recap, state

KEYS = "/home/mira/.ssh/authorized_keys"


def play(site: Site, *words: str, owners: tuple[str, ...] | None = None) -> str:
    """Runs the role, which must succeed, for these owners only; what was said."""
    more: tuple[str, ...] = ()
    if owners is not None:
        shown = site.run(
            "ansible-inventory", "-i", "inventories/example", "--host", "server1"
        ).stdout
        known = {owner["name"]: owner for owner in json.loads(shown)["vmm_owners"]}
        more = ("-e", json.dumps({"accounts_owners": [known[name] for name in owners]}))
    done = site.role("accounts", *words, *more)
    assert done.returncode == 0, messages(done)
    return messages(done)


def account(site: Site, name: str) -> tuple[str, str]:
    """The shell and the groups of an account."""
    server = site.server1
    shell = server.run(f"getent passwd {name}").stdout.decode().strip().rpartition(":")[2]
    return shell, server.run(f"id -Gn {name}").stdout.decode().strip()


def login(site: Site, name: str) -> int:
    """Whether sshd lets the account in, which looks at its shell before any key."""
    return site.server1.run(f"test -x $(getent passwd {name} | cut -d: -f7)").returncode


def test_owners_come_and_go(site: Site) -> None:
    server = site.server1
    fresh = state(server)
    bad = site.role("accounts", "-e", json.dumps({"accounts_owners": [{"name": "root"}]}))
    assert bad.returncode != 0
    assert "ssh_keys" in messages(bad)
    operator = site.role(
        "accounts", "-e", json.dumps({"accounts_owners": [{"name": "root", "ssh_keys": []}]})
    )
    assert "account root: this account exists on the server and is in group" in messages(operator)
    check = site.role("accounts", "--check")
    assert recap(check, "server1")["changed"] == 1
    assert state(server) == fresh

    play(site)
    before = state(server)
    assert recap(site.role("accounts"), "server1")["changed"] == 0
    assert state(server) == before
    assert account(site, "mira") == ("/bin/ksh", "mira vmdusers")

    # A stranger in the group, by hand, is none of the role's business.
    server.run("useradd -m -g =uid -G vmdusers stranger; usermod -G www mira")
    shared = state(server)
    said = play(site, "--check", owners=("jonas", "puffy"))
    assert "would lock account mira" in said
    assert "stranger" not in said
    assert state(server) == shared
    keys = server.read(KEYS)
    play(site, owners=("jonas", "puffy"))
    assert account(site, "mira") == ("/bin/ksh-", "mira www")
    assert login(site, "mira") != 0
    assert account(site, "stranger") == ("/bin/ksh", "stranger vmdusers")
    assert server.read(KEYS) == keys
    locked = state(server)
    assert "changed=0" in play(site, owners=("jonas", "puffy"))
    assert state(server) == locked

    assert "would unlock account mira" in play(site, "--check")
    play(site)
    assert account(site, "mira")[0] == "/bin/ksh"
    assert set(account(site, "mira")[1].split()) == {"mira", "www", "vmdusers"}
    assert login(site, "mira") == 0

    # What somebody did by hand.
    server.run(f"echo 'ssh-ed25519 AAAA stranger' >>{KEYS}; rm -r /home/puffy/.ssh")
    server.run("chmod 644 /home/jonas/.ssh/authorized_keys; usermod -S '' jonas")
    said = play(site, "--check", "--diff")
    for line in (
        "-ssh-ed25519 AAAA stranger",
        "would create directory /home/puffy/.ssh",
        "would change mode or owner of /home/jonas/.ssh/authorized_keys",
        "would add account jonas to vmdusers",
    ):
        assert line in said, said
    play(site)
    assert server.read(KEYS) == keys
    assert account(site, "jonas") == ("/bin/ksh", "jonas vmdusers")
    assert "changed=0" in play(site)


def test_a_failed_run_locks_nobody(site: Site) -> None:
    play(site)
    before = state(site.server1)
    site.server1.fault("fail", "useradd")
    more = [{"name": "newcomer", "ssh_keys": []}]
    failed = site.role("accounts", "-e", json.dumps({"accounts_owners": more}))
    assert failed.returncode != 0
    assert "The server is as it was before." in messages(failed)
    site.server1.fault("fail", "usermod")
    failed = site.role("accounts", "-e", json.dumps({"accounts_owners": []}))
    assert failed.returncode != 0
    assert "account jonas" in messages(failed)
    assert state(site.server1) == before
