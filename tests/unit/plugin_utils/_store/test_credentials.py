# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultSecret
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.vault import Vault, VaultError
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.credentials import (
    Credential,
    CredentialError,
    CredentialFiles,
)

HASH = "$2b$08$abcdefghijklmnopqrstuuTEw8POU2MwwuYEM7WaKcjqZ948Hm7.W"
CREDENTIAL = Credential("correct horse", HASH)


def vault(*secrets: tuple[str, bytes], identity: str | None = None) -> Vault:
    return Vault([(name, VaultSecret(secret)) for name, secret in secrets], identity)


@pytest.fixture
def files(tmp_path: Path) -> CredentialFiles:
    return CredentialFiles(tmp_path / "credentials", vault(("default", b"sesame")))


def put(files: CredentialFiles, text: str) -> None:
    files.path("web1").parent.mkdir()
    files.path("web1").write_bytes(vault(("default", b"sesame")).encrypt(text))


def test_what_is_written_is_read_again(files: CredentialFiles) -> None:
    assert not files.exists("web1")
    files.write("web1", CREDENTIAL)
    assert files.exists("web1")
    assert files.read("web1") == CREDENTIAL


def test_the_file_is_encrypted_and_for_its_owner_alone(files: CredentialFiles) -> None:
    files.write("web1", CREDENTIAL)
    content = files.path("web1").read_bytes()
    assert content.startswith(b"$ANSIBLE_VAULT;1.1;AES256\n")
    assert b"horse" not in content
    assert files.path("web1").stat().st_mode & 0o7777 == 0o600
    assert os.listdir(files.path("web1").parent) == ["web1.yml"]


def test_the_loader_gives_its_secrets(files: CredentialFiles) -> None:
    loader = DataLoader()
    secrets: list[Any] = [("default", VaultSecret(b"sesame"))]
    loader.set_vault_secrets(secrets)
    assert Vault.of(loader).decrypt(vault(("x", b"sesame")).encrypt("text")) == "text"


def test_a_password_is_in_no_traceback() -> None:
    assert "horse" not in repr(CREDENTIAL)
    assert HASH not in repr(CREDENTIAL)


@pytest.mark.parametrize("password", ["1234", "null", "'\"#: {{ x }}", "!t", "~", " a ", "x" * 72])
def test_any_password_survives(files: CredentialFiles, password: str) -> None:
    files.write("web1", Credential(password, HASH))
    assert files.read("web1").password == password


def test_no_secret_no_file(tmp_path: Path) -> None:
    files = CredentialFiles(tmp_path / "credentials", vault())
    with pytest.raises(VaultError, match="no vault secret: give --vault-password-file"):
        files.write("web1", CREDENTIAL)
    assert os.listdir(tmp_path) == []


def test_the_first_secret_encrypts_unless_an_identity_is_asked_for() -> None:
    both = (("default", b"one"), ("hosting", b"two"))
    assert vault(("default", b"one")).decrypt(vault(*both).encrypt("text")) == "text"
    labelled = vault(*both, identity="hosting").encrypt("text")
    assert labelled.startswith(b"$ANSIBLE_VAULT;1.2;AES256;hosting\n")
    assert vault(("x", b"two")).decrypt(labelled) == "text"
    with pytest.raises(VaultError, match="identity 'nobody'; this run has default, hosting"):
        vault(*both, identity="nobody").encrypt("text")


def test_the_wrong_secret_is_reported_with_the_file(files: CredentialFiles) -> None:
    files.write("web1", CREDENTIAL)
    others = CredentialFiles(files.path("web1").parent, vault(("default", b"wrong")))
    with pytest.raises(CredentialError) as error:
        others.read("web1")
    assert str(error.value) == (
        f"{files.path('web1')}: cannot be decrypted with the vault secrets of this run (default); "
        f"give the one that it was encrypted with"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[", "is not YAML once it is decrypted"),
        ("", "must have the two keys password and hash"),
        ("password: horse\n", "must have the two keys password and hash"),
        (f"password: horse\nhash: {HASH}\nmore: 1\n", "must have the two keys"),
        (f"password: 5\nhash: {HASH}\n", "password: must be a string"),
        (f"password: ''\nhash: {HASH}\n", "password: must be a string"),
        (f'password: "a\\nhorse"\nhash: {HASH}\n', "password: must be a string"),
        ("password: horse\nhash: horse\n", "hash: must be a hash of bcrypt"),
        (f'password: horse\nhash: "{HASH}\\n"\n', "hash: must be a hash of bcrypt"),
        (f"password: horse\nhash: {HASH.replace('2b', '2y')}\n", "hash: must be a hash of bcrypt"),
        ("password: !!python/object/apply:os.getcwd []\nhash: x\n", "is not YAML"),
    ],
)
def test_wrong_content_is_reported_and_not_shown(
    files: CredentialFiles, content: str, reason: str
) -> None:
    put(files, content)
    with pytest.raises(CredentialError) as error:
        files.read("web1")
    assert str(error.value).startswith(f"{files.path('web1')}: {reason}")
    assert "horse" not in str(error.value)


def test_plain_text_is_refused(files: CredentialFiles) -> None:
    files.path("web1").parent.mkdir()
    files.path("web1").write_text(CREDENTIAL.render())
    with pytest.raises(CredentialError, match="is not encrypted with Ansible Vault$"):
        files.read("web1")


def test_a_link_counts_as_there_and_is_not_followed(files: CredentialFiles, tmp_path: Path) -> None:
    files.path("web1").parent.mkdir()
    files.path("web1").symlink_to(tmp_path / "nowhere")
    assert files.exists("web1")
    with pytest.raises(CredentialError, match="is a symbolic link"):
        files.read("web1")
