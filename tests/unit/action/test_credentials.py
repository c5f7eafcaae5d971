# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bcrypt
import yaml
from unit.sites import Site

MAKE: dict[str, Any] = {"puffy.vmm.credentials": {"vms": ["web1", "web2"], "cost": 8}}
READ: dict[str, Any] = {
    "puffy.vmm.credentials": {"vms": ["web1"], "state": "read"},
    "register": "found",
}


def view(site: Site, name: str) -> dict[str, str]:
    path = site.fleet / f"credentials/{name}.yml"
    secret = ("--vault-password-file", str(site.secret))
    done = site.run("ansible-vault", "view", str(path), *secret)
    assert done.returncode == 0, done.stderr
    content: dict[str, str] = yaml.safe_load(done.stdout)
    return content


def everything(site: Site) -> Iterator[bytes]:
    for path in site.root.rglob("*"):
        if path.is_file():
            yield path.read_bytes()


def test_made_once_and_in_clear_nowhere(site: Site) -> None:
    done = site.play(MAKE, READ, args=("-vvv", "--diff"))
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = view(site, "web1"), view(site, "web2")
    assert first["password"] != second["password"]
    assert len(first["password"]) == 24
    assert bcrypt.checkpw(first["password"].encode(), first["hash"].encode())
    assert first["hash"].startswith("$2b$08$")
    for credential in (first, second):
        for secret in credential.values():
            assert secret not in done.stdout + done.stderr
            assert not any(secret.encode() in content for content in everything(site))
    before = site.files()
    done = site.play(MAKE)
    assert "ok: [server1]" in done.stdout
    assert site.files() == before


def test_read_gives_hashes_to_the_next_task_only(site: Site) -> None:
    compare = {
        "ansible.builtin.assert": {"that": ["found.hashes == {'web1': expected}"], "quiet": True}
    }
    assert site.play(MAKE).returncode == 0
    digest = view(site, "web1")["hash"]
    (site.root / "expected.yml").write_text(yaml.safe_dump({"expected": digest}))
    done = site.play(READ, compare, args=("-vvv", "-e", "@expected.yml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert digest not in done.stdout.replace(f"'expected': '{digest}'", "")
    assert "output has been hidden" in done.stdout


def test_no_vault_secret(site: Site) -> None:
    site.vm("web1")
    before = site.files()
    done = site.play(MAKE, secret=False)
    assert done.returncode == 2
    assert "no vault secret: give --vault-password-file, --vault-id or" in done.stdout
    assert site.files() == before
    assert not (site.fleet / "credentials").exists()


def test_the_wrong_vault_secret_makes_nothing(site: Site) -> None:
    assert site.play(MAKE).returncode == 0
    before = site.files()
    (site.root / "wrong").write_text("open barley\n")
    more: dict[str, Any] = {"puffy.vmm.credentials": {"vms": ["web1", "web9"]}}
    tasks = [task | {"ignore_errors": True} for task in (MAKE, READ, more)]
    done = site.play(*tasks, secret=False, args=("--vault-password-file", "wrong"))
    assert "ignored=3" in done.stdout
    failure = "credentials/web1.yml: cannot be decrypted with the vault secrets of this run"
    assert sum(failure in line for line in done.stdout.splitlines() if "fatal:" in line) == 3
    assert site.files() == before


def test_check_mode_makes_nothing(site: Site) -> None:
    done = site.play(MAKE, args=("--check",))
    assert "changed: [server1]" in done.stdout
    assert site.files() == {}
    assert not (site.fleet / "credentials").exists()


def test_one_that_is_missing_is_made_and_the_others_stay(site: Site) -> None:
    assert site.play(MAKE).returncode == 0
    kept = view(site, "web1")
    (site.fleet / "credentials/web2.yml").unlink()
    assert "changed: [server1]" in site.play(MAKE).stdout
    assert view(site, "web1") == kept
    made = view(site, "web2")
    assert bcrypt.checkpw(made["password"].encode(), made["hash"].encode())


def test_options_that_cannot_be(site: Site) -> None:
    wrong: dict[str, dict[str, Any]] = {
        "'../web1' is not a name for a VM": {"vms": ["../web1"]},
        "too easy to guess": {"length": 4},
        "a cost of 40 is not possible": {"cost": 40},
        "identity 'nobody'; this run has default": {"vault_id": "nobody"},
        "value of state must be one of": {"state": "absent"},
        "no credentials for web1: state present makes them": {"state": "read"},
    }
    done = site.play(
        *(
            {"puffy.vmm.credentials": {"vms": ["web1"]} | options, "ignore_errors": True}
            for options in wrong.values()
        )
    )
    for reason in wrong:
        assert reason in done.stdout
    assert "failed=0" in done.stdout
    assert "ignored=6" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not list(site.root.rglob("web1.yml"))


def test_length_alphabet_and_identity(site: Site) -> None:
    options = {"length": 70, "alphabet": "abcdef", "vault_id": "hosting"}
    task = {"puffy.vmm.credentials": {"vms": ["web1"], "cost": 8} | options}
    done = site.play(task, args=("--vault-id", f"hosting@{site.secret}"))
    assert done.returncode == 0, done.stdout
    head = (site.fleet / "credentials/web1.yml").read_text().splitlines()[0]
    assert head == "$ANSIBLE_VAULT;1.2;AES256;hosting"
    password = view(site, "web1")["password"]
    assert len(password) == 70
    assert set(password) <= set("abcdef")
