# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The role accounts: owners come, go, and come back; other accounts are not touched."""

from __future__ import annotations

import json

from integration.harness import Site, messages, state

KEYS = "/etc/ssh/owners/mira"


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
    assert state(server) == fresh

    play(site)
    assert account(site, "mira") == ("/bin/ksh", "mira vmdusers")

    # The role ignores a stranger who was added to the group by hand, and who keeps its keys.
    server.run("useradd -m -g =uid -G vmdusers stranger; usermod -G www mira")
    alone = state(server)
    refused = site.role("accounts")
    assert "account stranger: is in group vmdusers and is not the account" in messages(refused)
    assert "add it to accounts_others" in messages(refused)
    assert state(server) == alone
    variables = site.directory / "inventories/example/group_vars/vmd_servers.yml"
    variables.write_text(f"{variables.read_text()}accounts_others: [stranger]\n")
    play(site)
    assert b"Match Group vmdusers,!wheel User *,!stranger" in server.read("/etc/ssh/sshd_config")
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
    # Its keys are not its own file: they are removed, and the home stays.
    assert server.run(f"test -e {KEYS}").returncode != 0
    assert server.run("test -f /home/mira/.profile").returncode == 0
    locked = state(server)
    assert "changed=0" in play(site, owners=("jonas", "puffy"))
    assert state(server) == locked

    assert "unlock account mira" in play(site)
    assert account(site, "mira")[0] == "/bin/ksh"
    assert set(account(site, "mira")[1].split()) == {"mira", "www", "vmdusers"}
    assert login(site, "mira") == 0
    assert server.read(KEYS) == keys

    # What somebody did by hand.
    server.run(f"echo 'ssh-ed25519 AAAA stranger' >>{KEYS}; rm /etc/ssh/owners/puffy")
    server.run("chmod 666 /etc/ssh/owners/jonas; usermod -S '' jonas")
    said = play(site, "--check", "--diff")
    for line in (
        "-ssh-ed25519 AAAA stranger",
        "would create /etc/ssh/owners/puffy",
        "would change mode or owner of /etc/ssh/owners/jonas",
        "would add account jonas to vmdusers",
    ):
        assert line in said, said
    play(site)
    assert server.read(KEYS) == keys
    assert account(site, "jonas") == ("/bin/ksh", "jonas vmdusers")
    assert "changed=0" in play(site)


def test_a_locked_owner_leaves_the_login_group_too(site: Site) -> None:
    play(site)
    site.server1.run("usermod -g vmdusers -S '' mira")
    assert account(site, "mira") == ("/bin/ksh", "vmdusers")
    play(site, owners=("jonas", "puffy"))
    assert account(site, "mira") == ("/bin/ksh-", "nogroup")
    assert "changed=0" in play(site, owners=("jonas", "puffy"))
    assert "unlock account mira" in play(site)
    assert account(site, "mira") == ("/bin/ksh", "vmdusers")


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


# What owners may do to their homes, which the role ignores.
HOMES: tuple[dict[str, str], ...] = (
    {
        "mira": "rm -r .ssh; ln -s /nowhere .ssh",
        "jonas": "chmod 500 .ssh; chmod 0 .ssh/authorized_keys",
        "puffy": "echo 'ssh-ed25519 AAAA more' >>.ssh/authorized_keys",
    },
    {
        "mira": "ln -s /etc .ssh",
        "jonas": "chmod 500 .",
        "puffy": "rm .ssh/authorized_keys; ln -s /home/mira/.profile .ssh/authorized_keys",
    },
)
# What the test itself had better not read: a file without end.
ENDLESS = "cd /home/jonas && chmod 700 . .ssh && perl -e 'truncate q{.ssh/authorized_keys}, 4e12'"


def test_nothing_in_an_owners_home_fails_or_changes_anything(site: Site) -> None:
    play(site)
    server = site.server1
    for homes in HOMES:
        for name, script in homes.items():
            made = server.run(f"cd /home/{name} && {{ rm -f .ssh 2>/dev/null; {script}; }}")
            assert made.returncode == 0, made.stderr
        before = state(server)
        assert "changed=0" in play(site)
        assert state(server) == before
    made = server.run(ENDLESS)
    assert made.returncode == 0, made.stderr
    assert "changed=0" in play(site)
